import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Teardown } from '../../umbra-program.js';

/**
 * A network of two ends: this machine's, and that of a namespace which a process of ours holds. Both go with that process, which
 * goes with this one, so that nothing is left if a run is killed. Needs root.
 */
export class TestNetwork {
  /** This machine's end. */
  readonly address: string;
  /** How often it was cut or mended. */
  changes = 0;
  readonly #holder: ChildProcess;
  readonly #link: string;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
    const number = holder.pid ?? 0;
    this.#link = `umbra${number}`;
    // Of every number another one, so that runs at the same time do not meet.
    this.address = `10.${192 + ((number >> 14) & 31)}.${(number >> 6) & 255}.${((number & 63) << 2) + 1}`;
  }

  static async start(t: Teardown): Promise<TestNetwork> {
    const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] });
    const gone = once(holder, 'exit');
    t.teardown(async () => {
      holder.kill('SIGKILL');
      await gone;
    });
    const own = readlinkSync('/proc/self/ns/net');
    while (readlinkSync(`/proc/${holder.pid}/ns/net`) === own) await sleep(5);
    const network = new TestNetwork(holder);
    network.#join();
    return network;
  }

  /** A command line that runs at the other end. */
  within(...commandLine: readonly string[]): string[] {
    return ['nsenter', `--net=/proc/${this.#holder.pid}/ns/net`, ...commandLine];
  }

  /** From now on nothing arrives, and nobody is told. */
  cut(): void {
    this.changes++;
    ip('link', 'set', this.#link, 'down');
  }

  mend(): void {
    this.changes++;
    ip('link', 'set', this.#link, 'up');
  }

  #join(): void {
    ip('link', 'add', this.#link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(this.#holder.pid));
    ip('addr', 'add', `${this.address}/30`, 'dev', this.#link);
    this.mend();
    const other = this.address.replace(/\d+$/, (last) => String(Number(last) + 1));
    this.#inside('addr', 'add', `${other}/30`, 'dev', 'eth0');
    this.#inside('link', 'set', 'eth0', 'up');
  }

  #inside(...args: readonly string[]): void {
    const [program = '', ...rest] = this.within('ip', ...args);
    execFileSync(program, rest);
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args);
}
