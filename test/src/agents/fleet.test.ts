import t from 'tap';
import { Fleet } from '../../../src/agents/fleet.js';
import { systemClock } from '../../../src/common/clock.js';
import type { AgentTask, AgentTaskLine, DiscoveredMachine } from '../../../src/protocol/agents-api.js';
import type { WireError } from '../../../src/protocol/api.js';
import { PolicyService } from '../../../src/server/policy-service.js';
import { Machines } from '../../../src/store/machines.js';
import { Shares } from '../../../src/store/shares.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { backUp, memoryDatabases, openTestStore } from '../../kit/test-store.js';

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
  const { signal } = new AbortController();
  t.match(await fleet.unprotect('web', signal), { name: 'web', agent: 'unreachable', left: undefined });
  t.match(
    fleet.list().machines.map(({ machine, hostName, lettingGo }) => [machine, hostName, lettingGo?.agent]),
    [
      [undefined, 'a', 'unreachable'],
      [undefined, 'b', undefined],
    ],
  );
});

/** An agent that listens, and does what a test says; `asked` are the tasks that it was given. */
function listen(fleet: Fleet, host: string): { readonly asked: AgentTask[] } {
  const asked: AgentTask[] = [];
  const send = ({ task }: AgentTaskLine): void => {
    if (task !== undefined) asked.push(task);
  };
  fleet.connections.connect(host, [], { send, close: () => undefined });
  return { asked };
}

t.test('what is left in a machine that is no longer protected', async (t) => {
  const clock = new ManualClock();
  const databases = memoryDatabases();
  const open = async (): Promise<Fleet> => {
    const store = await openTestStore(databases);
    const machines = new Machines(() => store);
    return new Fleet({ store: () => store, machines, clock, giveUp: () => Promise.resolve() });
  };
  const first = await open();
  first.connections.report('hv1', { machines: [seen('a', 'u-1'), seen('b')], notes: [] });
  const left = {
    code: 'TRACKER_FAILED',
    message: 'overlays of others lie on /images/umbra-1-vda.qcow2',
    hint: 'Merge.',
  };
  const { signal } = new AbortController();
  const agent = listen(first, 'hv1');
  const answer = (fleet: Fleet, { asked }: typeof agent, error?: WireError): void => {
    fleet.connections.finish('hv1', { id: asked.shift()?.id ?? '', ...(error === undefined ? {} : { error }) });
  };
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  };
  const lettingGo = (fleet: Fleet): unknown =>
    fleet.list().machines.find(({ hostName }) => hostName === 'a')?.lettingGo;
  await first.protect({ machine: 'u-1', as: 'web' });

  const failed = first.unprotect('web', signal);
  await until(() => agent.asked.length > 0);
  t.match(agent.asked, [{ kind: 'forget', machine: { name: 'web', uuid: 'u-1' } }]);
  answer(first, agent, left);
  t.match(await failed, { name: 'web', host: 'hv1', agent: 'failed', left });
  t.match((await first.describe('web')).machines, [
    { hostName: 'a', lettingGo: { machine: 'web', agent: 'failed', left } },
  ]);

  const late = first.unprotect('web', signal);
  await until(() => agent.asked.length > 0);
  const asked = first.unprotect('web', signal);
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(20_000);
  t.match(await Promise.all([late, asked]), [{ agent: 'working' }, { agent: 'working' }], 'nobody waits for ever');
  t.equal(agent.asked.length, 1, 'it is asked once');
  const gone = new AbortController();
  gone.abort();
  t.match(await first.unprotect('web', gone.signal), { agent: 'working' }, 'nor for who is gone');

  // A server that is started anew knows which machines they are, and the agent is asked again when it connects.
  const second = await open();
  t.match(await second.describe('web'), {
    machines: [{ hostName: 'a', isConnected: false, lettingGo: { agent: 'unreachable' } }],
  });
  const again = listen(second, 'hv1');
  second.connections.report('hv1', { machines: [seen('a', 'u-1'), seen('b')], notes: [] });
  await until(() => again.asked.length > 0);
  t.match(again.asked, [{ kind: 'forget', machine: { name: 'web' } }]);
  t.match(lettingGo(second), { agent: 'working' });
  answer(second, again);
  await until(() => lettingGo(second) === undefined);
  await t.rejects(second.unprotect('web', signal), { code: 'NOT_FOUND' });
  t.equal(lettingGo(await open()), undefined, 'for good');
});

t.test('a machine that is protected again, or gone, is not let go of', async (t) => {
  const fleet = await fleetWith({ hv1: [seen('a', 'u-1')] });
  const { signal } = new AbortController();
  await fleet.protect({ machine: 'a', as: 'web' });
  await fleet.unprotect('web', signal);
  await fleet.protect({ machine: 'a', as: 'other' });
  t.match(fleet.list().machines, [{ machine: 'other', lettingGo: undefined }], 'whatever its name');
  t.strictSame(listen(fleet, 'hv1').asked, []);

  t.match(await fleet.unprotect('other', AbortSignal.abort()), { agent: 'working' });
  const { asked } = listen(fleet, 'hv1');
  const isAsked = async (): Promise<void> => {
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
  };
  await isAsked();
  const refuse = async (): Promise<void> => {
    await isAsked();
    const error = { code: 'NOT_FOUND', message: 'this host has no machine "a" any more' };
    fleet.connections.finish('hv1', { id: asked.shift()?.id ?? '', error });
  };
  const again = async (): Promise<unknown> => (await Promise.all([fleet.unprotect('other', signal), refuse()]))[0];
  t.match(await again(), { agent: 'failed', left: { code: 'NOT_FOUND' } }, 'its agent does not see all there is');
  fleet.connections.report('hv1', { machines: [], notes: [] });
  t.match(await again(), { agent: 'done', left: undefined });
});

t.test('only its own host may add to a machine, until it is said to have moved', async (t) => {
  const fleet = await fleetWith({ hv1: [seen('web', 'u-1')], hv2: [seen('web', 'u-2')] });
  await t.rejects(fleet.protect({ machine: 'web' }), { code: 'BAD_ARGUMENT', message: /several hosts/ });
  await fleet.protect({ machine: 'web', host: 'hv1' });
  const awaited = { code: 'CANCELLED', message: /nobody waits for a backup of web/ };
  t.throws(() => {
    fleet.awaited('web', 'hv1');
  }, awaited);
  for (const [machine, host] of [
    ['web', 'hv2'],
    ['nothing', 'hv2'],
  ] as const) {
    t.throws(
      () => {
        fleet.awaited(machine, host);
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
    fleet.awaited('web', 'hv2');
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
  await backUp(again, 'web', Buffer.alloc(4096, 1));
  await new Machines(() => again).unprotect('lab');
  await new Shares(() => again).add({ name: 'data', machine: 'web', path: 'vda1' });
  const { machines, leaving } = (await openTestStore(databases)).settings;
  t.match(machines, [{ name: 'db' }, { name: 'web' }]);
  t.strictSame(leaving, [asIs], 'whatever else is set');
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
    fleet.awaited('web', 'hv1');
  });
  fleet.connections.connect('hv1', [], { send: () => undefined, close: () => undefined });
  await t.rejects(backup, { code: 'AGENT_FAILED', message: /started anew/ });
  t.strictSame(givenUp, ['web']);
});

t.test('an agent is told what its backups keep to, whenever that changes', async (t) => {
  const store = await openTestStore();
  const clock = new ManualClock();
  const fleet = new Fleet({
    store: () => store,
    machines: new Machines(() => store),
    clock,
    giveUp: () => Promise.resolve(),
  });
  const policies = new PolicyService({
    store: () => store,
    clock,
    forget: () => Promise.resolve(true),
    changed: () => {
      fleet.policiesChanged();
    },
  });
  const apply = async (hosts: string): Promise<void> => {
    await policies.apply({ text: `default: a\npolicies: { a: {} }\nhosts: ${hosts}\n` });
  };
  const connect = (host: string): AgentTaskLine[] => {
    const lines: AgentTaskLine[] = [];
    fleet.connections.connect(host, [], { send: (line) => lines.push(line), close: () => undefined });
    return lines;
  };
  await apply('{ hv1: { bandwidth: 1MB/s } }');
  const [slow, fast] = [connect('hv1'), connect('hv2')];
  t.strictSame(slow.splice(0), [{ limits: { bytesPerSecond: 1_000_000 } }], 'as soon as it connects');
  t.strictSame(fast.splice(0), [{ limits: {} }]);
  await apply('{ hv1: { bandwidth: 2MB/s } }');
  t.strictSame(slow.splice(0), [{ limits: { bytesPerSecond: 2_000_000 } }], 'as soon as others are applied');
  t.strictSame(fast.splice(0), [{ limits: {} }]);

  fleet.connections.report('hv1', { machines: [seen('web')], notes: [] });
  await fleet.protect({ machine: 'web' });
  const backup = fleet.backUp('web', new AbortController().signal);
  while (slow.length < 2) await new Promise((resolve) => setImmediate(resolve));
  t.match(slow.splice(0), [{ limits: { bytesPerSecond: 2_000_000 } }, { task: { kind: 'backup' } }], 'and before each');
  fleet.connections.connect('hv1', [], { send: () => undefined, close: () => undefined });
  await t.rejects(backup, { code: 'AGENT_FAILED' });

  const damaged = connect('hv1');
  damaged.length = 0;
  await store.updateSettings((settings) => ({ ...settings, policies: 'default: [' }));
  fleet.policiesChanged();
  t.strictSame(damaged, [], 'what can not be understood lifts no limit');
});
