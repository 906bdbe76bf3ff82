import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { FilterClient } from '../../agent/filter/control/filter-client.js';
import { controlSocket } from '../../agent/filter/control/socket-path.js';
import { startFilter } from '../../agent/filter/start-filter.js';
import { temporaryDirectory } from './temporary.js';

const PROGRAM = fileURLToPath(new URL('../../agent/filter/main.js', import.meta.url));

const END_MS = 20_000;

/** A filter in a process of its own. */
export class TestFilter {
  readonly directory: string;
  readonly state: string;
  readonly #clients: FilterClient[] = [];
  #pid = 0;

  private constructor(directory: string, state: string) {
    this.directory = directory;
    this.state = state;
  }

  /** Over a new directory, until the test ends. `prepare` fills it before. */
  static async start(
    t: Test,
    options: { readonly sideBytes?: number; readonly prepare?: (directory: string) => void } = {},
  ): Promise<TestFilter> {
    const home = temporaryDirectory(t);
    const filter = new TestFilter(join(home, 'images'), join(home, 'state'));
    mkdirSync(filter.directory);
    options.prepare?.(filter.directory);
    t.teardown(() => filter.#end());
    await filter.run(options.sideBytes);
    return filter;
  }

  get pid(): number {
    return this.#pid;
  }

  async run(sideBytes = 1024 ** 3): Promise<void> {
    const { directory, state } = this;
    this.#pid = await startFilter({ program: PROGRAM, directory, state, sideBytes });
  }

  async client(): Promise<FilterClient> {
    const client = await FilterClient.connect(controlSocket(this.state));
    this.#clients.push(client);
    return client;
  }

  /** The directory below the mount, while the filter runs. */
  lower(): string {
    const fds = readdirSync(`/proc/${this.#pid}/fd`);
    const fd = fds.find((name) => linkOf(`/proc/${this.#pid}/fd/${name}`) === this.directory);
    return `/proc/${this.#pid}/fd/${fd ?? ''}/`;
  }

  /** As a service manager does; resolves when the process is gone. */
  async stop(): Promise<void> {
    this.#closeClients();
    process.kill(this.#pid, 'SIGTERM');
    await this.#gone();
  }

  /** At once; what is left of the mount is taken away. Idempotent. */
  async kill(): Promise<void> {
    this.#closeClients();
    if (this.isRunning()) process.kill(this.#pid, 'SIGKILL');
    await this.#gone();
    try {
      execFileSync('fusermount', ['-uz', '--', this.directory], { stdio: 'ignore' });
    } catch {
      // It was unmounted before.
    }
  }

  /** As it should end, unless a failed test holds a file open. */
  async #end(): Promise<void> {
    this.#closeClients();
    if (this.isRunning()) process.kill(this.#pid, 'SIGTERM');
    for (let waitedMs = 0; this.isRunning() && waitedMs < END_MS; waitedMs += 10) await setTimeout(10);
    await this.kill();
  }

  isRunning(): boolean {
    return this.#pid !== 0 && existsSync(`/proc/${this.#pid}/exe`) && linkOf(`/proc/${this.#pid}/exe`) !== undefined;
  }

  #closeClients(): void {
    for (const client of this.#clients.splice(0)) client.close();
  }

  async #gone(): Promise<void> {
    while (this.isRunning()) await setTimeout(10);
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
