import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { StandstillNotes } from '../../../agent/checkpoints/standstill-note.js';
import {
  machineStandstill,
  openLibvirtControl,
  openQemuControl,
  type MachineStandstillOptions,
  type OpenedControl,
} from '../../../agent/run/machine-standstill.js';
import { systemClock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog } from '../../../src/common/log.js';
import type { AgentBackupAnswer } from '../../../src/protocol/agents-api.js';
import type { ShadowCopyInfo } from '../../../src/protocol/api.js';
import { startAgentLab, type AgentLab } from '../../kit/agent-lab.js';
import { FakeGuestControl } from '../../kit/fake-guest-control.js';
import { fakeGuestAgent } from '../../kit/fake-lines.js';
import { fakeLibvirt } from '../../kit/fake-libvirt.js';
import { checkLockstep, DISK_BYTES, makeDisks } from '../../kit/machine-lab.js';
import { startMachine, waitForWrites } from '../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../kit/temporary.js';

/** Both disks of the newest shadow copy, restored. */
async function restored({ umbra, directory }: AgentLab): Promise<Buffer[]> {
  const target = join(directory, 'restored');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  await umbra('restore', 'vm1', '--to', target);
  return ['vda', 'vdb'].map((name) => readFileSync(join(target, `${name}.raw`)));
}

t.test('a machine whose images a filter follows is brought to rest by its guest agent and QEMU', async (t) => {
  const lab = await startAgentLab(t);
  const [images, state] = [join(lab.directory, 'images'), join(lab.directory, 'agent-hv1')];
  mkdirSync(images);
  const disks = makeDisks(images, ['raw', 'qcow2']);
  await lab.umbra('agent', 'filter', images, '--state', state);
  t.teardown(() => execFileSync('fusermount', ['-u', '-z', images]));
  const machine = await startMachine(t, images, { disks, writes: true, args: ['-name', 'called otherwise'] });
  const { monitor } = machine;
  let isRefusing = false;
  const agent = await fakeGuestAgent(t, () => (isRefusing ? { error: { desc: 'not now' } } : { return: 1 }));
  await waitForWrites(monitor);
  const qmp = `qmp: [{name: vm1, socket: ${machine.qmpSocket}, guestAgent: ${agent.path}}]`;
  await lab.agent('hv1', `libvirt: "off"\n${qmp}\nfilters: [${images}]\ndiscoverSeconds: 3600`);
  await lab.umbra('protect', 'vm1', '--tracker', 'filter');

  const [stopped, resumed] = ['STOP', 'RESUME'].map((name) => monitor.expect(name, () => true));
  const full = (await lab.umbra('backup', 'vm1')) as AgentBackupAnswer;
  t.match(full, { tracker: 'filter', consistency: 'filesystem', notes: [] });
  t.ok(full.pauseMs > 0, `${full.pauseMs} ms`);
  t.strictSame(agent.commands, ['guest-get-fsinfo', 'guest-fsfreeze-freeze', 'guest-fsfreeze-thaw']);
  await stopped?.wait(1000);
  await resumed?.wait(1000);
  checkLockstep(t, await restored(lab));

  isRefusing = true;
  await waitForWrites(monitor);
  const second = (await lab.umbra('backup', 'vm1')) as AgentBackupAnswer;
  t.match(second, { tracker: 'filter', consistency: 'crash', notes: [/not brought to rest: .*not now/] });
  t.ok(second.readBytes < full.readBytes + DISK_BYTES, `${second.readBytes} bytes were read`);
  checkLockstep(t, await restored(lab));
  const pauses = ((await lab.umbra('list', 'vm1')) as readonly ShadowCopyInfo[]).map(({ pauseMs }) => pauseMs > 0);
  t.strictSame(pauses, [true, true], 'the pause is recorded');
  await waitForWrites(monitor);
  await machine.stop();
});

function settings(t: Test, more: Partial<MachineStandstillOptions> = {}): MachineStandstillOptions {
  const notes = new StandstillNotes(join(temporaryDirectory(t), 'note'));
  return { machine: 'm', quiesce: true, freezeMs: 1000, notes, clock: systemClock, log: silentLog, ...more };
}

const { signal } = new AbortController();

t.test('what an agent left that was killed is undone first, and the connection is ended', async (t) => {
  const control = new FakeGuestControl();
  let closed = 0;
  const close = (): Promise<void> => {
    closed++;
    return Promise.resolve();
  };
  const options = settings(t, { open: () => Promise.resolve({ control, close }) });
  await options.notes.write({ frozen: true, paused: true });
  const done = await machineStandstill(options)(() => Promise.resolve(7), signal);
  t.match(done, { result: 7, consistency: 'filesystem', remarks: [] });
  t.ok(done.pauseMs !== undefined);
  t.strictSame(control.calls, ['resume', 'thaw', 'freeze', 'pause', 'resume', 'thaw']);
  const failing = machineStandstill(options)(() => Promise.reject(new Error('no')), signal);
  await t.rejects(failing, { message: 'no' });
  t.equal(closed, 2);
});

t.test('a machine that nothing here can stop', async (t) => {
  const unreachable = (): Promise<OpenedControl> =>
    Promise.reject(new UmbraError('HYPERVISOR_UNREACHABLE', 'it is gone'));
  const scripts = { before: '/bin/true', timeoutMs: 20_000, onFailure: 'abort', quiescesApplications: true } as const;
  for (const [more, expected] of [
    [{}, { consistency: 'crash', remarks: [/no hypervisor/] }],
    [{ open: unreachable }, { consistency: 'crash', remarks: [/it is gone/] }],
    [
      { scripts, quiesce: false },
      { consistency: 'application', remarks: [] },
    ],
  ] as const) {
    const options = settings(t, more);
    await options.notes.write({ frozen: true, paused: true });
    const done = await machineStandstill(options)(() => Promise.resolve(1), signal);
    t.match(done, { result: 1, pauseMs: undefined, ...expected });
    t.ok(await options.notes.read(), 'what is to be undone stays noted');
  }
});

t.test('hypervisors that are not there', async (t) => {
  const none = join(temporaryDirectory(t), 'none');
  await t.rejects(openQemuControl(none, undefined, systemClock), { code: 'TRACKER_UNAVAILABLE' });
  const address = { sockets: [none], name: 'qemu:///system' };
  await t.rejects(openLibvirtControl(address, '00000000-0000-0000-0000-000000000001', systemClock), {
    code: 'HYPERVISOR_UNREACHABLE',
  });
  const path = await fakeLibvirt(t, () => false);
  const nonsense = openLibvirtControl({ ...address, sockets: [path] }, 'nonsense', systemClock);
  await t.rejects(nonsense, { code: 'BAD_ARGUMENT' });
});
