import { join } from 'node:path';
import t from 'tap';
import { readAgentConfig } from '../../../agent/run/agent-config.js';
import { hostTrackers } from '../../../agent/run/host-trackers.js';
import type { Candidate } from '../../../agent/run/candidate.js';
import { HostWork } from '../../../agent/run/host-work.js';
import type { Tracker } from '../../../agent/trackers/tracker.js';
import { systemClock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog } from '../../../src/common/log.js';
import type { DiscoveredMachine, TrackerChoice } from '../../../src/protocol/agents-api.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MACHINE: DiscoveredMachine = {
  name: 'a',
  source: 'directory',
  state: 'unknown',
  volumes: [{ name: 'vda', path: '/a.qcow2', format: 'qcow2', backing: [] }],
  skipped: [],
  configPaths: [],
};

t.test('which machines can have overlays', async (t) => {
  const directory = temporaryDirectory(t);
  const places = { state: join(directory, 'state'), scratch: join(directory, 'scratch') };
  const reasonFor = async (machine: Partial<DiscoveredMachine>, overlays?: boolean): Promise<string | undefined> => {
    const monitor = {
      name: 'a',
      socket: '/a.qmp',
      guestAgent: '/a.qga',
      ...(overlays === undefined ? {} : { overlays }),
    };
    const config = { ...readAgentConfig(undefined), ...places, qmp: [monitor] };
    const options = { config, clock: systemClock, log: silentLog };
    const all = await hostTrackers(options, { ...MACHINE, ...machine }, 'a');
    const found = all.find(({ kind }) => kind === 'differencing');
    return found !== undefined && 'reason' in found ? found.reason : undefined;
  };
  t.match(await reasonFor({ source: 'qmp' }), /overlays: true/, 'a command that nobody knows starts it');
  t.match(await reasonFor({ source: 'qmp' }, false), /overlays: true/);
  t.equal(await reasonFor({ source: 'qmp' }, true), undefined);
  t.equal(await reasonFor({ source: 'libvirt', uuid: '6f2a1b3c-0001-4000-8000-000000000000' }), undefined);
  t.equal(await reasonFor({}), undefined);
});

t.test('overlays are made for who asks for them, and go when he asks for something else', async (t) => {
  const calls: string[] = [];
  const tracker = (kind: Tracker['kind'], isInUse: boolean): Candidate => {
    const checkpoint = (): Promise<never> => {
      calls.push(`checkpoint ${kind}`);
      return Promise.reject(new UmbraError('TRACKER_UNAVAILABLE', 'not today'));
    };
    const forget = (): Promise<void> => {
      calls.push(`forget ${kind}`);
      return Promise.resolve();
    };
    return { kind, tracker: { kind, checkpoint, forget, isInUse: () => Promise.resolve(isInUse) } };
  };
  const merged = { ...MACHINE, volumes: [{ name: 'vda', path: '/base.qcow2', format: 'qcow2', backing: [] }] } as const;
  let lookedAt: DiscoveredMachine | undefined;
  const asked = async (choice: TrackerChoice, isInUse: boolean): Promise<string[]> => {
    calls.length = 0;
    const work = new HostWork({
      discover: () => Promise.resolve({ machines: [merged], notes: [] }),
      trackers: (machine) => {
        // What breaks off is tidied up after, by trackers of its own.
        if (!calls.some((call) => call.startsWith('checkpoint'))) lookedAt = machine;
        return Promise.resolve([tracker('differencing', isInUse), tracker('scan', false)]);
      },
      connect: () => Promise.reject(new Error('nobody connects')),
      stateDirectory: temporaryDirectory(t),
      clock: systemClock,
      log: silentLog,
    });
    const machine = { name: 'a', host: 'h', hostName: 'a', tracker: choice };
    const task = { kind: 'backup', id: '1', machine } as const;
    await t.rejects(work.backUp(task, MACHINE, new AbortController().signal), { code: 'TRACKER_UNAVAILABLE' });
    return [...calls];
  };
  t.same(await asked('auto', false), ['checkpoint scan']);
  t.same(lookedAt, MACHINE);
  t.same(await asked('auto', true), ['forget differencing', 'checkpoint scan']);
  t.same(lookedAt, merged, 'whose overlays are gone has other files');
  t.same(await asked('scan', true), ['forget differencing', 'checkpoint scan']);
  t.same(await asked('differencing', true), ['checkpoint differencing']);
});

t.test('a tracker that cannot let go of a machine keeps no other from it', async (t) => {
  const error = new UmbraError('TRACKER_FAILED', 'overlays of others lie on it');
  const tracker = (kind: Tracker['kind'], why: UmbraError): Candidate => ({
    kind,
    tracker: {
      kind,
      checkpoint: () => Promise.reject(new UmbraError('TRACKER_UNAVAILABLE', 'not today')),
      forget: () => Promise.reject(why),
      isInUse: () => Promise.resolve(true),
    },
  });
  const asked = (why: UmbraError): Promise<unknown> => {
    const work = new HostWork({
      discover: () => Promise.resolve({ machines: [MACHINE], notes: [] }),
      trackers: () => Promise.resolve([tracker('differencing', why), tracker('scan', why)]),
      connect: () => Promise.reject(new Error('nobody connects')),
      stateDirectory: temporaryDirectory(t),
      clock: systemClock,
      log: silentLog,
    });
    const machine = { name: 'a', host: 'h', hostName: 'a', tracker: 'auto' } as const;
    return work.backUp({ kind: 'backup', id: '1', machine }, MACHINE, new AbortController().signal);
  };
  const said = /differencing could not let go of the machine: overlays of others lie on it; scan: not today/;
  await t.rejects(asked(error), { code: 'TRACKER_UNAVAILABLE', message: said });
  await t.rejects(asked(new UmbraError('IMAGE_IN_USE', 'it starts')), { code: 'IMAGE_IN_USE' });
});
