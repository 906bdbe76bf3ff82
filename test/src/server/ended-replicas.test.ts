import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock, type Clock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { EndedReplicas } from '../../../src/server/ended-replicas.js';
import type { Engine } from '../../../src/server/engine.js';
import { openLocalEngine } from '../../../src/server/local-engine.js';
import { startAgentLab, type AgentLab } from '../../kit/agent-lab.js';
import { Random, testSeed } from '../../kit/random.js';
import { randomVolume, replicate } from '../../kit/test-store.js';

const MINUTE_MS = 60_000;

interface Lab extends AgentLab {
  /** Have a machine's agent replicate it, as far as the store sees. */
  readonly replicate: () => Promise<void>;
  /** Let a minute pass. @returns how many collections were made then */
  readonly collections: () => Promise<number>;
}

async function startLab(t: Test, schedule: boolean): Promise<Lab> {
  let timers: (() => void)[] = [];
  const after: Clock['after'] = (delayMs, callback) => {
    if (delayMs !== MINUTE_MS) return systemClock.after(delayMs, callback);
    timers.push(callback);
    return () => {
      timers = timers.filter((other) => other !== callback);
    };
  };
  let engine: Engine | undefined;
  const begun: Promise<unknown>[] = [];
  const lab = await startAgentLab(t, {
    schedule,
    clock: { ...systemClock, after },
    openEngine: async (options) => {
      const opened = await openLocalEngine(options);
      const gc = opened.gc.bind(opened);
      opened.gc = (context) => {
        const collection = gc(context);
        begun.push(collection);
        return collection;
      };
      return (engine = opened);
    },
  });
  const random = new Random(testSeed(t));
  return {
    ...lab,
    replicate: async () => {
      const store = await engine?.upkeep().store();
      if (store === undefined) throw new UmbraError('INTERNAL', 'there is no store');
      await replicate(store, 'web', randomVolume(random, 20), Date.now());
    },
    collections: async () => {
      for (const callback of timers.splice(0)) callback();
      // Whatever began with that is ahead of this.
      await lab.umbra('status');
      const collections = begun.splice(0);
      await Promise.all(collections);
      await lab.umbra('status');
      return collections.length;
    },
  };
}

t.test('a replica that somebody replaces, or drops, is collected soon', async (t) => {
  const lab = await startLab(t, true);
  const image = join(lab.directory, 'web.raw');
  writeFileSync(image, Buffer.alloc(64 * 1024, 'umbra'));
  await lab.umbra('backup', 'web', image);
  t.equal(await lab.collections(), 0, 'nothing was replaced');
  await lab.replicate();
  await lab.umbra('backup', 'web', image);
  t.equal(await lab.collections(), 1, 'by a shadow copy made by hand');
  await lab.replicate();
  await lab.umbra('forget', 'web@replica');
  t.equal(await lab.collections(), 1, 'dropped');
  await lab.replicate();
  await lab.umbra('backup', 'web', '--from-replica');
  await lab.umbra('backup', 'web', image);
  t.equal(await lab.collections(), 0, 'one that is a shadow copy now holds what it held');
});

t.test('a server that does nothing by itself does not collect, either', async (t) => {
  const lab = await startLab(t, false);
  const image = join(lab.directory, 'web.raw');
  writeFileSync(image, Buffer.alloc(64 * 1024, 'umbra'));
  await lab.replicate();
  await lab.umbra('backup', 'web', image);
  t.equal(await lab.collections(), 0);
});

t.test('a store that is rebuilt counts anew', (t) => {
  let count: number | undefined = 2;
  let told = 0;
  const ended = new EndedReplicas({
    count: () => {
      if (count === undefined) throw new UmbraError('STORE_IN_USE', 'the store is being rebuilt');
      return count;
    },
    onMore: () => (told += 1),
  });
  ended.look();
  ended.look();
  t.equal(told, 1);
  count = undefined;
  ended.look();
  count = 0;
  ended.look();
  t.equal(told, 1);
  count = 1;
  ended.look();
  t.equal(told, 2);
  t.end();
});
