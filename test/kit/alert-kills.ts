import type { KvWriter } from '../../src/store/kv.js';
import { openMemoryKv } from '../../src/store/memory-kv.js';
import { AlertLab, FakeChannel, someAlert } from './alert-lab.js';

/** More writes than the workload has. */
export const MAX_KILLS = 60;

const MINUTE_MS = 60_000;
const NEVER = new Promise<never>(() => undefined);

export interface Killed {
  /** By channel, what it was told, as `EVENT SUBJECT`: each message once. */
  readonly told: ReadonlyMap<string, readonly string[]>;
  /** How many messages arrived at a channel that had arrived before, at most. */
  readonly copies: number;
  readonly killed: boolean;
  /** What goes on in the end. */
  readonly open: readonly string[];
}

/**
 * Alerts begin and end, by what is so, over three lives of a server; one of them dies at a write.
 * @param kill at which write
 * @param takesEffect whether that is in the database all the same
 */
export async function runWorkload(kill: number, takesEffect: boolean): Promise<Killed> {
  const channels = [new FakeChannel('mail'), new FakeChannel('hook')];
  const lab = new AlertLab(channels);
  const meta = openMemoryKv();
  let left = kill;
  const dying: KvWriter = {
    get: (key) => meta.get(key),
    getMany: (keys) => meta.getMany(keys),
    entries: (range) => meta.entries(range),
    keys: (range) => meta.keys(range),
    flush: () => meta.flush(),
    write: async (operations, options) => {
      if (!lab.isAlive) await NEVER;
      left -= 1;
      if (left === 0) {
        if (takesEffect) await meta.write(operations, options);
        lab.kill();
        await NEVER;
      }
      await meta.write(operations, options);
    },
  };
  /** What is wrong, as whoever watches finds it at each look. */
  const wrong = new Set<string>();
  const look = (): void => {
    for (const subject of wrong) lab.book.begin(someAlert(subject));
    for (const subject of lab.book.subjects('data-loss')) {
      if (!wrong.has(subject)) lab.book.end('data-loss', subject, `${subject} is ok again.`);
    }
  };
  const live = async (): Promise<void> => {
    look();
    await lab.run(MINUTE_MS);
    if (lab.isAlive) return;
    // A process that is gone answers nobody: what it was told in its last moment counts as told.
    await lab.start(channels, dying);
    look();
    await lab.run(MINUTE_MS);
  };
  await lab.start(channels, dying);
  for (const change of [
    (): unknown => wrong.add('web').add('db'),
    (): unknown => wrong.delete('web'),
    (): unknown => wrong.add('mail'),
  ]) {
    change();
    await live();
    if (lab.isAlive) await Promise.race([lab.stop(), lab.run(MINUTE_MS)]);
    await lab.start(channels, dying);
    await live();
  }
  return {
    told: new Map(channels.map((channel) => [channel.name, eventsOf(channel)])),
    copies: Math.max(...channels.map(({ got }) => got.length - new Set(got.map(({ message }) => message.id)).size)),
    killed: left <= 0,
    open: lab.book.subjects('data-loss').toSorted(),
  };
}

function eventsOf({ told }: FakeChannel): string[] {
  return told.map((line) => line.replace(' data-loss', ''));
}
