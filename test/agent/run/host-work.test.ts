import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Candidate } from '../../../agent/run/candidate.js';
import { HostWork, type HostWorkOptions } from '../../../agent/run/host-work.js';
import { oneAtATime, Turns } from '../../../agent/run/turns.js';
import type { Tracker } from '../../../agent/trackers/tracker.js';
import { systemClock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog } from '../../../src/common/log.js';
import type { DiscoveredMachine } from '../../../src/protocol/agents-api.js';
import { SystemCallError } from '../../../src/system/system-call-error.js';
import { smallDisk } from '../../kit/small-disk.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MACHINE: DiscoveredMachine = {
  name: 'vm',
  source: 'qmp',
  state: 'running',
  volumes: [],
  skipped: [],
  configPaths: [],
};
const TASK = {
  kind: 'backup',
  id: '1',
  machine: { name: 'web', host: 'hv1', hostName: 'vm', tracker: 'qemu-bitmap' },
} as const;
const SIGNAL = new AbortController().signal;

interface LabOptions {
  readonly stateDirectory: string;
  readonly tracker: Partial<Tracker>;
}

function optionsOf(stateDirectory: string): Omit<HostWorkOptions, 'trackers'> {
  return {
    discover: () => Promise.resolve({ machines: [MACHINE], notes: [] }),
    connect: () => Promise.reject(new UmbraError('SERVER_UNREACHABLE', 'nobody is there')),
    stateDirectory,
    clock: systemClock,
    log: silentLog,
    recoverAgainMs: 1,
  };
}

function workOf(t: Test, { stateDirectory, tracker }: LabOptions): HostWork {
  return new HostWork({
    ...optionsOf(stateDirectory),
    trackers: (machine, name) => {
      t.strictSame([machine, name], [MACHINE, 'web']);
      const whole = { kind: 'qemu-bitmap', ...tracker } as Tracker;
      return Promise.resolve([
        { kind: 'filter', reason: 'there is none' },
        { kind: 'qemu-bitmap', tracker: whole },
      ]);
    },
  });
}

t.test('what an agent that was killed has left in a machine is taken away by the next one', async (t) => {
  const stateDirectory = temporaryDirectory(t);
  const notes = (): string[] => readdirSync(join(stateDirectory, 'machines', 'web'));
  let reached = (): void => undefined;
  const isReached = new Promise<void>((resolve) => (reached = resolve));
  const killed = workOf(t, {
    stateDirectory,
    tracker: {
      checkpoint: () => {
        t.strictSame(notes(), ['unfinished.json'], 'it is noted before the machine is touched');
        reached();
        return new Promise(() => undefined);
      },
    },
  });
  void killed.backUp(TASK, MACHINE, SIGNAL);
  await isReached;

  let tries = 0;
  const recover = (): Promise<void> => {
    tries++;
    return tries < 3 ? Promise.reject(new UmbraError('TRACKER_UNAVAILABLE', 'not yet')) : Promise.resolve();
  };
  const checkpoint = (): Promise<never> => Promise.reject(new UmbraError('TRACKER_FAILED', 'no'));
  const next = workOf(t, { stateDirectory, tracker: { recover, checkpoint } });
  const gone = new AbortController();
  await next.recover(gone.signal);
  t.ok(tries > 0, 'first of all');
  while (notes().length > 0) await new Promise(setImmediate);
  t.equal(tries, 3, 'a machine that cannot be reached is tried again');
  await next.recover(gone.signal);
  t.equal(tries, 3, 'and nothing is done where nothing is left');
  await t.rejects(next.backUp(TASK, MACHINE, SIGNAL), { code: 'TRACKER_FAILED' });
  while (notes().length > 0) await new Promise(setImmediate);
  t.equal(tries, 4, 'what breaks off is tidied up after, too');
  gone.abort();
});

t.test('the disk of the agent is full: that is no defect', async (t) => {
  const disk = smallDisk(t, 1024 * 1024);
  const full = new SystemCallError('write', constants.errno.ENOSPC);
  const checkpoint = (): Promise<never> => Promise.reject(new UmbraError('TRACKER_FAILED', 'it is reached'));
  const forget = (): Promise<never> => Promise.reject(full);
  const work = workOf(t, { stateDirectory: disk.directory, tracker: { checkpoint, forget } });
  const refused = { code: 'AGENT_FAILED', message: /^the disk of the agent is full: ENOSPC/, hint: /"scratch"/ };
  disk.fill(0);
  await t.rejects(work.backUp(TASK, MACHINE, SIGNAL), refused);
  await t.rejects(work.forget({ ...TASK, kind: 'forget' }, MACHINE), refused);
  disk.release();
  await t.rejects(work.backUp(TASK, MACHINE, SIGNAL), { code: 'TRACKER_FAILED' });
  while (readdirSync(join(disk.directory, 'machines', 'web')).length > 0) await new Promise(setImmediate);
});

t.test('a tracker that cannot let go keeps no other from it', async (t) => {
  const asked: string[] = [];
  const forgetting = (name: string, forget: () => Promise<void>): Candidate => {
    const tracker: Tracker = {
      kind: 'scan',
      checkpoint: () => Promise.reject(new UmbraError('INTERNAL', 'it is not asked for one')),
      forget: () => {
        asked.push(name);
        return forget();
      },
    };
    return { kind: 'scan', tracker };
  };
  const left = new UmbraError('TRACKER_FAILED', 'overlays are left');
  const candidates = [
    forgetting('first', () => Promise.reject(left)),
    forgetting('second', () => Promise.resolve()),
    forgetting('third', () => Promise.reject(new UmbraError('TRACKER_FAILED', 'another'))),
  ];
  const work = new HostWork({ ...optionsOf(temporaryDirectory(t)), trackers: () => Promise.resolve(candidates) });
  await t.rejects(work.forget({ ...TASK, kind: 'forget' }, MACHINE), left);
  t.strictSame(asked, ['first', 'second', 'third']);
});

t.test('notes that are damaged are let be, and so is a directory that cannot be read', async (t) => {
  const stateDirectory = temporaryDirectory(t);
  const recover = (): Promise<void> => Promise.reject(new UmbraError('INTERNAL', 'there is nothing to be done'));
  const work = workOf(t, { stateDirectory, tracker: { recover } });
  await work.recover(SIGNAL);
  mkdirSync(join(stateDirectory, 'machines', 'web'), { recursive: true });
  writeFileSync(join(stateDirectory, 'machines', 'web', 'unfinished.json'), '{');
  await work.recover(SIGNAL);
  mkdirSync(join(stateDirectory, 'machines', 'db', 'unfinished.json'), { recursive: true });
  await t.rejects(work.recover(SIGNAL), { code: 'EISDIR' });
  const file = join(temporaryDirectory(t), 'file');
  mkdirSync(file);
  writeFileSync(join(file, 'machines'), '');
  await t.rejects(workOf(t, { stateDirectory: file, tracker: {} }).recover(SIGNAL), { code: 'ENOTDIR' });
});

t.test('a backup waits for the one before, however that ends', async (t) => {
  const turns = new Turns();
  const order: string[] = [];
  let fail = (_error: Error): void => undefined;
  const first = turns.take('web', () => {
    order.push('first');
    return new Promise<void>((_, reject) => (fail = reject));
  });
  const second = turns.take('web', () => {
    order.push('second');
    return Promise.resolve(2);
  });
  t.equal(await turns.take('db', () => Promise.resolve(3)), 3, 'another machine waits for nobody');
  t.strictSame(order, ['first']);
  fail(new UmbraError('CANCELLED', 'cancelled'));
  await t.rejects(first, { code: 'CANCELLED' });
  t.equal(await second, 2);
  t.equal(await turns.take('web', () => Promise.resolve(4)), 4);
});

t.test('a server that is newer may ask for a tracker that this agent does not have', async (t) => {
  const work = workOf(t, { stateDirectory: temporaryDirectory(t), tracker: {} });
  const task = { ...TASK, machine: { ...TASK.machine, tracker: 'differencing' } } as const;
  await t.rejects(work.backUp(task, MACHINE, SIGNAL), {
    code: 'TRACKER_UNAVAILABLE',
    message: 'no tracker can make a checkpoint of web: this version of the agent has no differencing',
    hint: /--tracker/,
  });
});

t.test('what is asked for while it runs is done once more, for all who ask', async (t) => {
  const ends: ((failed: boolean) => void)[] = [];
  const ask = oneAtATime(
    () =>
      new Promise<number>((resolve, reject) => {
        const number = ends.length;
        ends.push((failed) => {
          if (failed) reject(new UmbraError('CANCELLED', 'cancelled'));
          else resolve(number);
        });
      }),
  );
  const first = ask();
  await new Promise(setImmediate);
  const others = [ask(), ask()];
  ends[0]?.(true);
  await t.rejects(first, { code: 'CANCELLED' });
  await new Promise(setImmediate);
  ends[1]?.(false);
  t.strictSame(await Promise.all(others), [1, 1]);
  t.equal(ends.length, 2);
});
