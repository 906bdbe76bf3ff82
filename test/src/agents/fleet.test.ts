import t from 'tap';
import { Fleet } from '../../../src/agents/fleet.js';
import { systemClock } from '../../../src/common/clock.js';
import type { DiscoveredMachine } from '../../../src/protocol/agents-api.js';
import { Machines } from '../../../src/store/machines.js';
import { memoryDatabases, openTestStore } from '../../kit/test-store.js';

function seen(name: string, uuid?: string): DiscoveredMachine {
  const volume = { name: 'vda', path: `/images/${name}`, format: 'raw', backing: [] } as const;
  const machine = {
    name,
    source: 'libvirt',
    state: 'running',
    volumes: [volume],
    skipped: [],
    configPaths: [],
  } as const;
  return uuid === undefined ? machine : { ...machine, uuid };
}

async function fleetWith(
  machines: Readonly<Record<string, readonly DiscoveredMachine[]>>,
  givenUp: string[] = [],
): Promise<Fleet> {
  const store = await openTestStore();
  const giveUp = (machine: string): Promise<void> => {
    givenUp.push(machine);
    return Promise.resolve();
  };
  const fleet = new Fleet({ store: () => store, machines: new Machines(() => store), clock: systemClock, giveUp });
  for (const [host, found] of Object.entries(machines)) {
    fleet.connections.report(host, { machines: found, notes: [`note of ${host}`] });
  }
  return fleet;
}

t.test('one that is named, with how its newest shadow copy was made', async (t) => {
  const store = await openTestStore();
  const fleet = new Fleet({
    store: () => store,
    machines: new Machines(() => store),
    clock: systemClock,
    giveUp: () => Promise.resolve(),
  });
  fleet.connections.report('hv1', { machines: [seen('a', 'u-1'), seen('b')], notes: ['a note'] });
  await fleet.protect({ machine: 'a', as: 'web' });
  const none = await fleet.describe('u-1');
  t.match(none.machines, [{ machine: 'web', made: undefined }]);
  const session = store.openSession();
  await store.commit(session, {
    machine: 'web',
    timeMs: 0,
    consistency: 'crash',
    tracker: 'scan',
    pauseMs: 3,
    volumes: [],
    config: [],
    notes: ['no better tracker: x'],
  });
  session.end();
  const made = { tracker: 'scan', consistency: 'crash', pauseMs: 3, notes: ['no better tracker: x'] };
  for (const name of ['web', 'a']) {
    const { machines } = await fleet.describe(name);
    t.strictSame(
      machines.map((info) => [info.machine, info.made]),
      [['web', made]],
    );
  }
  t.match((await fleet.describe('b')).machines, [{ hostName: 'b', made: undefined }]);
  await t.rejects(fleet.describe('c'), { code: 'NOT_FOUND', hint: /--discover/ });
});

t.test('what is seen and what is protected', async (t) => {
  const fleet = await fleetWith({ hv2: [seen('b')], hv1: [seen('z'), seen('a', 'u-1')] });
  await fleet.protect({ machine: 'u-1', as: 'web', volumes: ['vda'] });
  const { machines, notes } = fleet.list();
  t.strictSame(
    machines.map(({ machine, host, hostName }) => [machine, host, hostName]),
    [
      ['web', 'hv1', 'a'],
      [undefined, 'hv1', 'z'],
      [undefined, 'hv2', 'b'],
    ],
  );
  t.strictSame(notes, [
    { host: 'hv2', note: 'note of hv2' },
    { host: 'hv1', note: 'note of hv1' },
  ]);
  t.match(machines[0], { tracker: 'auto', volumes: ['vda'], uuid: 'u-1', isConnected: false });
  fleet.connections.report('hv1', { machines: [seen('renamed', 'u-1')], notes: [] });
  t.match(
    fleet.list().machines[0],
    { machine: 'web', discovered: { name: 'renamed' } },
    'a machine is known by its UUID',
  );
  t.equal((await fleet.protect({ machine: 'renamed', tracker: 'scan' })).machine, 'web', 'and keeps its name');
  fleet.connections.report('hv1', { machines: [], notes: [] });
  t.equal(fleet.list().machines[0]?.discovered, undefined);
  t.equal((await fleet.unprotect('web')).name, 'web');
  t.strictSame(
    fleet.list().machines.map(({ hostName }) => hostName),
    ['b'],
  );
});

t.test('only its own host may add to a machine, until it is said to have moved', async (t) => {
  const fleet = await fleetWith({ hv1: [seen('web', 'u-1')], hv2: [seen('web', 'u-2')] });
  await t.rejects(fleet.protect({ machine: 'web' }), { code: 'BAD_ARGUMENT', message: /several hosts/ });
  await fleet.protect({ machine: 'web', host: 'hv1' });
  const awaited = { code: 'CANCELLED', message: /nobody waits for a backup of web/ };
  t.throws(() => {
    fleet.assertAwaited('web', 'hv1');
  }, awaited);
  for (const [machine, host] of [
    ['web', 'hv2'],
    ['nothing', 'hv2'],
  ] as const) {
    t.throws(
      () => {
        fleet.assertAwaited(machine, host);
      },
      { code: 'FORBIDDEN', message: `"${machine}" is no machine that the host hv2 protects` },
    );
  }
  await t.rejects(fleet.protect({ machine: 'web', host: 'hv2' }), { code: 'BAD_ARGUMENT', message: /another machine/ });
  fleet.connections.report('hv1', { machines: [], notes: [] });
  fleet.connections.report('hv2', { machines: [seen('web', 'u-1')], notes: [] });
  await t.rejects(fleet.protect({ machine: 'web' }), { code: 'BAD_ARGUMENT', hint: /--host hv2/ });
  await fleet.protect({ machine: 'web', host: 'hv2' });
  t.throws(() => {
    fleet.assertAwaited('web', 'hv2');
  }, awaited);
});

t.test('names that can be none of a machine need another one', async (t) => {
  const fleet = await fleetWith({ hv1: [seen('Web Server')] });
  await t.rejects(fleet.protect({ machine: 'Web Server' }), { code: 'BAD_NAME', hint: /--as/ });
  t.equal((await fleet.protect({ machine: 'Web Server', as: 'web' })).machine, 'web');
});

t.test('protection is kept in the store', async (t) => {
  const databases = memoryDatabases();
  const first = await openTestStore(databases);
  const machine = { name: 'web', host: 'hv1', hostName: 'Web', uuid: 'u', volumes: ['vda'], tracker: 'auto' } as const;
  await new Machines(() => first).protect(machine);
  await new Machines(() => first).protect({ name: 'db', host: 'hv1', hostName: 'db', tracker: 'scan' });
  const asIs = { name: 'lab', host: 'hv1', hostName: 'lab', tracker: 'auto', asIs: true } as const;
  await new Machines(() => first).protect(asIs);
  const again = await openTestStore(databases);
  t.strictSame(new Machines(() => again).list(), [
    { name: 'db', host: 'hv1', hostName: 'db', tracker: 'scan' },
    asIs,
    machine,
  ]);
});

t.test('the upload of an agent that was killed is given up with its task', async (t) => {
  const givenUp: string[] = [];
  const fleet = await fleetWith({ hv1: [seen('web', 'u-1')] }, givenUp);
  await fleet.protect({ machine: 'web' });
  let told = (): void => undefined;
  const isTold = new Promise<void>((resolve) => (told = resolve));
  fleet.connections.connect('hv1', [], { send: told, close: () => undefined });
  const backup = fleet.backUp('web', new AbortController().signal);
  await isTold;
  await t.rejects(fleet.backUp('web', new AbortController().signal), { code: 'MACHINE_BUSY' });
  t.strictSame(givenUp, [], 'not by another backup, which is refused');
  t.doesNotThrow(() => {
    fleet.assertAwaited('web', 'hv1');
  });
  fleet.connections.connect('hv1', [], { send: () => undefined, close: () => undefined });
  await t.rejects(backup, { code: 'AGENT_FAILED', message: /started anew/ });
  t.strictSame(givenUp, ['web']);
});
