import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../../../../src/client/client.js';
import { requests } from '../../../../src/client/requests.js';
import { systemClock } from '../../../../src/common/clock.js';
import type { Teardown } from '../../umbra-program.js';
import { LastingProgram, umbra } from './program.js';

const PORT = 7443;
/** Asking is a job of its own: on a busy machine who asks more often keeps it busy. */
const ASK_MS = 100;

export interface FleetServerOptions {
  readonly store: string;
  /** Of this machine. */
  readonly address: string;
  /** For its log, and what it keeps for a moment. */
  readonly directory: string;
  /** It makes shadow copies by itself. */
  readonly isScheduling: boolean;
}

/** The real server of a store, which answers at an address and port, too. */
export class FleetServer {
  /** Never starts a server itself. */
  readonly client: Client;
  readonly url: string;
  /** What it keeps for a moment. */
  readonly temporary: string;
  readonly #program: LastingProgram;
  readonly #address: string;
  /** The process that answers at the address, too. */
  #listening: number | undefined;

  constructor(t: Teardown, { store, address, directory, isScheduling }: FleetServerOptions) {
    this.#address = address;
    this.client = new Client({ store, clock: systemClock });
    this.url = `https://${address}:${PORT}`;
    this.temporary = join(directory, 'server-tmp');
    mkdirSync(this.temporary);
    const commandLine = ['serve', '--store', store, '--listen', `${address}:${PORT}`];
    this.#program = new LastingProgram(
      t,
      umbra(...commandLine, ...(isScheduling ? [] : ['--paused'])),
      join(directory, 'server.log'),
      { TMPDIR: this.temporary },
    );
  }

  get pid(): number | undefined {
    return this.#program.pid;
  }

  /** Undefined, also while it runs, until it answers at its address: those that are elsewhere can't reach it before. */
  get reachablePid(): number | undefined {
    return this.pid === this.#listening ? this.pid : undefined;
  }

  /** Resolves when it answers, also at its address. */
  async start(): Promise<void> {
    this.#program.start();
    while (!(await this.client.isAnswering()) || !(await this.#isListening())) {
      this.#program.assertRunning();
      await sleep(20);
    }
    this.#listening = this.pid;
  }

  async #isListening(): Promise<boolean> {
    const socket = connect({ host: this.#address, port: PORT });
    try {
      await once(socket, 'connect');
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }

  assertRunning(): void {
    this.#program.assertRunning();
  }

  /** @throws Error if it has ended by itself before */
  async kill(): Promise<void> {
    this.#program.assertRunning();
    await this.#program.kill();
  }

  /** Resolves when the agents of all protected machines are connected, and nothing runs. */
  async untilQuiet(): Promise<void> {
    for (;;) {
      this.#program.assertRunning();
      const { machines } = await this.client.run(requests.machines({ discover: false }));
      const { jobs } = await this.client.call(requests.status());
      if (jobs.length === 0 && machines.length > 0 && machines.every(({ isConnected }) => isConnected)) return;
      await sleep(ASK_MS);
    }
  }
}
