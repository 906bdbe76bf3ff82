import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { requests } from '../../../../src/client/requests.js';
import type { Teardown } from '../../umbra-program.js';
import type { Fleet } from '../fleet/fleet.js';
import { LastingProgram, runProgram, umbra } from '../fleet/program.js';
import type { Version } from '../model.js';

const execute = promisify(execFile);
/** Longer than any read may take on a busy machine. */
const READ_LIMIT_MS = 300_000;

/** A mount of all shadow copies. */
export interface FieldMount {
  readonly name: string;
  readonly path: string;
  /** Another text whenever it, or what it needs, has gone or come: reads in between may fail. Undefined while it is not there. */
  mark(): string | undefined;
  /** Have it there again, if that can be had now. */
  ensure(): Promise<void>;
  /** Take it away in order. */
  end(): Promise<void>;
}

/** A mount of the server's own. */
export class ServerMount implements FieldMount {
  readonly name = 'mount';
  readonly path: string;
  readonly #server: Fleet['server'];
  #pid: number | undefined;

  constructor(t: Teardown, directory: string, { server }: Fleet) {
    this.path = join(directory, 'mount');
    this.#server = server;
    mkdirSync(this.path);
    t.teardown(() => detach(this.path));
  }

  mark(): string | undefined {
    const { pid } = this.#server;
    return pid !== undefined && pid === this.#pid ? String(pid) : undefined;
  }

  async ensure(): Promise<void> {
    const { pid } = this.#server;
    if (pid === undefined || this.mark() !== undefined) return;
    await this.#server.client.run(requests.mount({ mountPoint: this.path, allowOther: false, leased: false }));
    this.#pid = pid;
  }

  async end(): Promise<void> {
    await this.#server.client.call(requests.unmount({ mountPoint: this.path, force: false }));
    this.#pid = undefined;
  }
}

/** A mount of a process of its own, which reads over the network. */
export class RemoteMount implements FieldMount {
  readonly name = 'remote mount';
  readonly path: string;
  readonly #fleet: Fleet;
  readonly #program: LastingProgram;
  readonly #config: string;
  #isMounted = false;

  constructor(t: Teardown, directory: string, fleet: Fleet) {
    this.path = join(directory, 'remote');
    this.#fleet = fleet;
    this.#config = join(directory, 'config');
    mkdirSync(this.path);
    const variables = { XDG_CONFIG_HOME: this.#config };
    this.#program = new LastingProgram(
      t,
      umbra('mount', this.path, '--server', fleet.server.url),
      join(directory, 'remote.log'),
      variables,
    );
    t.teardown(() => detach(this.path));
  }

  get pid(): number | undefined {
    return this.#program.pid;
  }

  async logIn(): Promise<void> {
    const { server } = this.#fleet;
    const { token } = await server.client.call(requests.addToken({ name: 'soak' }));
    await runProgram(['env', `XDG_CONFIG_HOME=${this.#config}`, `UMBRA_TOKEN=${token}`, ...umbra('login', server.url)]);
  }

  mark(): string | undefined {
    const [mine, servers] = [this.pid, this.#fleet.server.reachablePid];
    if (!this.#isMounted || mine === undefined || servers === undefined) return undefined;
    return `${mine} ${servers} ${this.#fleet.network.changes}`;
  }

  #runs(): boolean {
    return this.pid !== undefined;
  }

  async ensure(): Promise<void> {
    if (this.#runs()) return;
    this.#isMounted = false;
    await detach(this.path);
    this.#program.start();
    // What can't reach its server ends, and is started again.
    while (this.#runs() && !isMountPoint(this.path)) await sleep(50);
    this.#isMounted = this.#runs();
  }

  async kill(): Promise<void> {
    this.#isMounted = false;
    await this.#program.kill();
  }

  async end(): Promise<void> {
    this.#isMounted = false;
    if (this.pid === undefined) {
      await detach(this.path);
      return;
    }
    const code = await this.#program.stop();
    if (code !== undefined && code !== 0) throw new Error(`umbra mount --server ended with ${code}`);
    if (isMountPoint(this.path)) throw new Error(`${this.path} is mounted still`);
  }
}

/** Content that was read. */
export interface Digested {
  readonly digest: string;
  readonly bytes: number;
}

/** The digest of a file, by a process of its own: one that hangs can be killed. */
export async function digestOfFile(path: string): Promise<Digested> {
  const { size: bytes } = await stat(path);
  const { stdout } = await execute('sha256sum', ['--', path], { timeout: READ_LIMIT_MS, killSignal: 'SIGKILL' });
  return { digest: stdout.replace(/^\\/, '').slice(0, 64), bytes };
}

/** Where a mount has a shadow copy. */
export function placeOf(mount: Pick<FieldMount, 'path'>, version: Version): string {
  return join(mount.path, ...version.split('@'));
}

export function isMountPoint(path: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === path);
}

/** Nothing is mounted there then, and nobody is asked. */
async function detach(path: string): Promise<void> {
  while (isMountPoint(path)) await execute('fusermount', ['-uz', '--', path]).catch(() => sleep(50));
}
