import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../../../../src/client/client.js';
import { requests } from '../../../../src/client/requests.js';
import { systemClock } from '../../../../src/common/clock.js';
import type { Teardown } from '../../umbra-program.js';
import { LastingProgram, umbra } from './program.js';

const PORT = 7443;

/** The real server of a store, which answers at an address and port, too. */
export class FleetServer {
  /** Never starts a server itself. */
  readonly client: Client;
  readonly url: string;
  readonly #program: LastingProgram;

  constructor(t: Teardown, store: string, address: string, log: string) {
    this.client = new Client({ store, clock: systemClock });
    this.url = `https://${address}:${PORT}`;
    this.#program = new LastingProgram(
      t,
      umbra('serve', '--store', store, '--listen', `${address}:${PORT}`, '--paused'),
      log,
    );
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    this.#program.start();
    while (!(await this.client.isAnswering())) {
      this.#program.assertRunning();
      await sleep(20);
    }
  }

  async kill(): Promise<void> {
    await this.#program.kill();
  }

  /** Resolves when the agents of all protected machines are connected, and nothing runs. */
  async untilQuiet(): Promise<void> {
    for (;;) {
      this.#program.assertRunning();
      const { machines } = await this.client.run(requests.machines({ discover: false }));
      const { jobs } = await this.client.call(requests.status());
      if (jobs.length === 0 && machines.length > 0 && machines.every(({ isConnected }) => isConnected)) return;
      await sleep(20);
    }
  }
}
