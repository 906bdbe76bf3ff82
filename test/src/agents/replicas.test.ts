import t, { type Test } from 'tap';
import { Fleet } from '../../../src/agents/fleet.js';
import { ObjectType } from '../../../src/codec/formats.js';
import { systemClock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { AgentTask, AgentTaskLine, BaseInfo } from '../../../src/protocol/agents-api.js';
import type { JobKind } from '../../../src/protocol/jobs-api.js';
import { objectKey } from '../../../src/store/keys.js';
import { Machines } from '../../../src/store/machines.js';
import { findSequences } from '../../../src/store/object-index.js';
import type { Store } from '../../../src/store/store.js';
import { Random, testSeed } from '../../kit/random.js';
import { damageValue } from '../../kit/store-damage.js';
import { backUp, memoryDatabases, openTestStore, randomVolume, replicate } from '../../kit/test-store.js';

const { signal } = new AbortController();

interface ReplicaLab {
  readonly store: Store;
  readonly fleet: Fleet;
  /** What the agent is told to go on from. */
  readonly base: (kind: JobKind) => Promise<BaseInfo | undefined>;
  /** The record of the replica can't be read any more. */
  readonly damage: () => Promise<void>;
}

/** A machine `web` that is protected, whose agent answers each task with an error. */
async function labWith(t: Test): Promise<ReplicaLab> {
  const databases = memoryDatabases();
  const store = await openTestStore(databases);
  const machines = new Machines(() => store);
  const fleet = new Fleet({ store: () => store, machines, clock: systemClock, giveUp: () => Promise.resolve() });
  const asked: AgentTask[] = [];
  const awaited: JobKind[] = [];
  const send = ({ task }: AgentTaskLine): void => {
    if (task === undefined) return;
    asked.push(task);
    if (task.kind === 'backup') awaited.push(fleet.awaited('web', 'hv1'));
    fleet.connections.finish('hv1', { id: task.id, error: { code: 'TRACKER_BUSY', message: 'not now' } });
  };
  fleet.connections.report('hv1', {
    machines: [{ name: 'web', source: 'qmp', state: 'running', volumes: [], skipped: [], configPaths: [] }],
    notes: [],
  });
  await fleet.protect({ machine: 'web' });
  fleet.connections.connect('hv1', [], { send, close: () => undefined });
  const base: ReplicaLab['base'] = async (kind) => {
    await t.rejects(fleet.backUp('web', signal, kind), { code: 'TRACKER_BUSY' });
    t.equal(awaited.at(-1), kind, 'the server knows what it waits for');
    const task = asked.at(-1);
    return task?.kind === 'backup' ? task.base : undefined;
  };
  const damage = async (): Promise<void> => {
    const replica = store.catalog.replica('web');
    if (replica === undefined) throw new UmbraError('INTERNAL', 'there is no replica');
    const [sequence = -1] = await findSequences(databases.meta, ObjectType.record, [replica.record]);
    await damageValue(databases.objects, objectKey(sequence), (frame) => frame.fill(0, 60));
  };
  return { store, fleet, base, damage };
}

t.test('an agent goes on from the replica, whatever it makes; from a damaged one it does not', async (t) => {
  const { store, base, damage } = await labWith(t);
  const content = randomVolume(new Random(testSeed(t)), 20);
  t.equal(await base('replicate'), undefined);
  const copy = await backUp(store, 'web', content);
  t.equal((await base('shadow-copy'))?.shadowCopy, copy.name);
  const replica = await replicate(store, 'web', content);
  for (const kind of ['replicate', 'shadow-copy'] as const) {
    t.match(await base(kind), { shadowCopy: replica.name, checkpoint: 'c', volumes: [{ name: 'vda' }] });
  }
  // One that nobody has read yet: what was read is in memory.
  await replicate(store, 'web', content);
  await damage();
  t.equal((await base('replicate'))?.shadowCopy, copy.name);
  await replicate(store, 'web', content);
  t.match(await base('replicate'), { checkpoint: 'c' }, 'the next one is whole');
});

t.test('the end of protection makes a shadow copy of the replica', async (t) => {
  const { store, fleet, damage } = await labWith(t);
  const content = randomVolume(new Random(testSeed(t)), 20);
  const { name } = await replicate(store, 'web', content);
  t.match(await fleet.unprotect('web', signal), { name: 'web', shadowCopy: name });
  t.equal(store.catalog.latest('web')?.name, name);
  await replicate(store, 'web', content);
  t.equal((await fleet.unprotect('web', signal).catch((error: unknown) => error)) instanceof Error, false);
  t.ok(store.catalog.replica('web'), 'one that is protected no more keeps what there is until it is forgotten');
  await fleet.protect({ machine: 'web' });
  await damage();
  const answer = await fleet.unprotect('web', signal);
  t.match(answer, { name: 'web' });
  t.equal(answer.shadowCopy, undefined, 'one that is damaged keeps nobody from it');
});
