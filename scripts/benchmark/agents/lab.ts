import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { enrolAgent } from '../../../agent/enrol/agent-identity.js';
import { Client } from '../../../src/client/client.js';
import { requests } from '../../../src/client/requests.js';
import { systemClock } from '../../../src/common/clock.js';
import type { AgentBackupAnswer, TrackerChoice } from '../../../src/protocol/agents-api.js';
import { BenchError } from '../bench-error.js';
import { run } from '../process.js';
import { Running, UMBRA } from '../running.js';
import { anonymousBytes, processSeconds, runTimed, type Timed, writtenBytes } from './process-time.js';

const LOOK_MS = 20;
const START_LIMIT_MS = 60_000;
/** At rest server and agents take less than this of the processors in that time. */
const REST_MS = 500;
const REST_SECONDS = 0.02;
const REST_LIMIT_MS = 120_000;

/** A backup by an agent, asked for by a command of the user's. */
export interface TimedBackup {
  readonly answer: AgentBackupAnswer;
  /** Of the command, from its start to its end. */
  readonly seconds: number;
  /** Of the processors, in command, agent and server. */
  readonly processSeconds: number;
}

/** A server that listens at a port of this machine, and agents of it, each a process of its own as users run them. */
export class AgentsLab {
  readonly directory: string;
  readonly store: string;
  readonly #server: Running;
  readonly #agents = new Map<string, Running>();
  readonly client: Client;
  #peakAnonymousBytes = 0;
  readonly #looking: NodeJS.Timeout;

  private constructor(directory: string, store: string) {
    this.directory = directory;
    this.store = store;
    this.client = new Client({ store: this.store, clock: systemClock });
    const args = ['serve', '--store', this.store, '--listen', '127.0.0.1:0', '--paused'];
    this.#server = new Running(args, path.join(directory, 'server.out'));
    this.#looking = setInterval(() => {
      this.#peakAnonymousBytes = Math.max(this.#peakAnonymousBytes, anonymousBytes(this.#server.pid));
    }, LOOK_MS);
  }

  /** @throws {BenchError} */
  static async start(directory: string): Promise<AgentsLab> {
    mkdirSync(directory, { recursive: true });
    const store = path.join(directory, 'store');
    for (const command of ['init', 'stop']) await run(process.execPath, [UMBRA, command, '--store', store]);
    const lab = new AgentsLab(directory, store);
    try {
      await lab.#until('umbra serve', lab.#server, 'server.out', async () => {
        // The one that made the store may be about to end.
        const isAnswering = await lab.client.isAnswering();
        return isAnswering && (await lab.client.call(requests.status())).listening !== undefined;
      });
      return lab;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  get serverPid(): number {
    return this.#server.pid;
  }

  /** Of the server and all agents. */
  get pids(): readonly number[] {
    return [this.#server, ...this.#agents.values()].map(({ pid }) => pid);
  }

  get peakAnonymousBytes(): number {
    return this.#peakAnonymousBytes;
  }

  /** Let a host in, and run its agent; resolves when the server knows what it sees. */
  async addAgent(host: string, config: readonly string[]): Promise<void> {
    const state = path.join(this.directory, `agent-${host}`);
    mkdirSync(state, { mode: 0o700 });
    const { token } = await this.client.call(requests.inviteAgent({ host, lifeSeconds: 3600 }));
    const { listening = '' } = await this.client.call(requests.status());
    const server = { host: '127.0.0.1', port: Number(listening.split(':').at(-1)) };
    await enrolAgent({ server, token, host, directory: state, clock: systemClock });
    const file = path.join(state, 'agent.yaml');
    const scratch = path.join(this.directory, `scratch-${host}`);
    writeFileSync(file, [...config, `state: ${state}`, `scratch: ${scratch}`, ''].join('\n'));
    this.#agents.set(host, new Running(['agent', 'run', '--config', file], path.join(state, 'agent.out')));
    await this.#untilSeen(host);
  }

  async protect(host: string, machine: string, name: string, tracker: TrackerChoice = 'auto'): Promise<void> {
    await this.client.call(requests.protect({ machine, host, as: name, tracker }));
  }

  async unprotect(name: string): Promise<void> {
    await this.client.call(requests.unprotect({ machine: name }));
  }

  /** Wait until all that was written before is on the disk, and the store has compacted what it had to: none of it is a backup's that comes now. */
  async rest(): Promise<void> {
    const end = performance.now() + REST_LIMIT_MS;
    await run('sync', []);
    for (let before = this.#processSeconds(); ;) {
      await sleep(REST_MS);
      const now = this.#processSeconds();
      if (now - before < REST_SECONDS) return;
      if (performance.now() > end) throw new BenchError('the server or an agent finds no rest');
      before = now;
    }
  }

  /** As a user has it done: `umbra backup MACHINE`. */
  async backup(name: string): Promise<TimedBackup> {
    const before = this.#processSeconds();
    const timed = await runTimed(process.execPath, [UMBRA, 'backup', name, '--store', this.store, '--json']);
    return { ...this.#answer(timed), processSeconds: timed.processSeconds + this.#processSeconds() - before };
  }

  /** Without a command, where many are asked for at once. */
  async ask(name: string): Promise<AgentBackupAnswer> {
    return await this.client.run(requests.backupByAgent({ machine: name }));
  }

  /** The backup of an image by the server itself, without an agent. */
  async backupImage(name: string, image: string): Promise<Timed> {
    const before = this.#processSeconds();
    const timed = await runTimed(process.execPath, [UMBRA, 'backup', name, image, '--store', this.store, '--json']);
    return { ...timed, processSeconds: timed.processSeconds + this.#processSeconds() - before };
  }

  get writtenBytes(): number {
    return writtenBytes(this.#server.pid);
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    await Promise.all([...this.#agents.values()].map((agent) => agent.stop()));
    await this.#server.stop();
  }

  #answer({ stdout, seconds }: Timed): Pick<TimedBackup, 'answer' | 'seconds'> {
    return { answer: JSON.parse(stdout) as AgentBackupAnswer, seconds };
  }

  #processSeconds(): number {
    return this.pids.reduce((sum, pid) => sum + processSeconds(pid), 0);
  }

  async #untilSeen(host: string): Promise<void> {
    await this.#until(`the agent of ${host}`, this.#agents.get(host), `agent-${host}/agent.out`, async () => {
      const { machines } = await this.client.run(requests.machines({ discover: false }));
      return machines.some((machine) => machine.host === host && machine.isConnected);
    });
  }

  async #until(
    what: string,
    running: Running | undefined,
    log: string,
    condition: () => Promise<boolean>,
  ): Promise<void> {
    const end = performance.now() + START_LIMIT_MS;
    while (!(await condition())) {
      if (running?.hasEnded === true) throw new BenchError(`${what} has ended: ${this.#log(log)}`);
      if (performance.now() > end) throw new BenchError(`${what} does not answer`);
      await sleep(20);
    }
  }

  #log(name: string): string {
    return readFileSync(path.join(this.directory, name), 'utf8').trim();
  }
}
