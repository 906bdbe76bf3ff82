import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../../../src/client/client.js';
import { requests } from '../../../src/client/requests.js';
import { systemClock } from '../../../src/common/clock.js';
import { anonymousBytes, threadSeconds } from '../agents/process-time.js';
import { BenchError } from '../bench-error.js';
import { Running } from '../running.js';
import type { Cost } from './samples.js';

const LOOK_MS = 10;
const POLL_MS = 2;
const START_LIMIT_MS = 120_000;

/** A server of a store, as users run it, and what it costs to ask it for something. */
export class GrowthServer {
  readonly client: Client;
  /** What starting it took. */
  readonly start: Cost;
  readonly #running: Running;

  private constructor(running: Running, client: Client, start: Cost) {
    this.#running = running;
    this.client = client;
    this.start = start;
  }

  /** @param log where what it prints goes @throws {BenchError} if it does not answer */
  static async start(store: string, log: string): Promise<GrowthServer> {
    const begin = performance.now();
    const running = new Running(['serve', '--store', store, '--paused'], log);
    const client = new Client({ store, clock: systemClock });
    try {
      while (!(await client.isAnswering())) {
        if (running.hasEnded) throw new BenchError(`umbra serve has ended: see ${log}`);
        if (performance.now() - begin > START_LIMIT_MS) throw new BenchError('umbra serve does not answer');
        await sleep(POLL_MS);
      }
      const { pid } = await client.call(requests.status());
      if (pid !== running.pid) throw new BenchError(`another server, ${pid}, has the store`);
    } catch (error) {
      await running.stop();
      throw error;
    }
    return new GrowthServer(running, client, {
      seconds: (performance.now() - begin) / 1000,
      processSeconds: threadSeconds(running.pid),
      peakBytes: anonymousBytes(running.pid),
    });
  }

  /** What `run` costs, each time of `times`. */
  measure(run: () => Promise<unknown>, times = 1): Promise<Cost> {
    return measureCost([this.#running.pid], this.#running.pid, run, times);
  }

  async stop(): Promise<void> {
    await this.#running.stop();
  }
}

/**
 * @param pids whose time counts
 * @param server whose memory counts
 */
export async function measureCost(
  pids: readonly number[],
  server: number,
  run: () => Promise<unknown>,
  times: number,
): Promise<Cost> {
  const used = (): number => pids.reduce((sum, pid) => sum + threadSeconds(pid), 0);
  let peakBytes = anonymousBytes(server);
  const looking = setInterval(() => {
    peakBytes = Math.max(peakBytes, anonymousBytes(server));
  }, LOOK_MS);
  try {
    const before = used();
    const begin = performance.now();
    for (let time = 0; time < times; time++) await run();
    const seconds = (performance.now() - begin) / 1000 / times;
    return {
      seconds,
      processSeconds: (used() - before) / times,
      peakBytes: Math.max(peakBytes, anonymousBytes(server)),
    };
  } finally {
    clearInterval(looking);
  }
}
