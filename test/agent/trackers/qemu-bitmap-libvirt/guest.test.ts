import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { MESSAGE, REMOTE } from '../../../../agent/libvirt/protocol.js';
import { applyChanges, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { countIn, CountingGuest, needsRecovery } from '../../../kit/counting-guest.js';
import { getCountingGuest } from '../../../kit/guest.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { DISK_BYTES, LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { isCall, proxyTo } from '../../../kit/libvirt-proxy.js';
import { qemuImg } from '../../../kit/qemu.js';

const STANDSTILL = [
  REMOTE.domainCheckpointCreateXml,
  REMOTE.domainFsfreeze,
  REMOTE.domainBackupBegin,
  REMOTE.domainFsthaw,
] as const;

/**
 * A libvirt that is done with beginning a backup only when it has let the guest go on.
 * @param asked - gets what it is asked about the guest and its disks, by procedure
 */
async function slowToAnswer(t: Test, machine: LibvirtMachine, asked: number[]): Promise<string> {
  let serial: number | undefined;
  let goesOn = (): void => undefined;
  let gone = Promise.resolve();
  return await proxyTo(
    t,
    machine,
    (call, pass) => {
      if (STANDSTILL.some((procedure) => isCall(call, procedure))) asked.push(call.procedure);
      if (isCall(call, REMOTE.domainBackupBegin)) {
        ({ serial } = call);
        gone = new Promise((resolve) => (goesOn = resolve));
      }
      if (isCall(call, REMOTE.domainFsthaw)) goesOn();
      pass();
    },
    (message, pass) => {
      if (message.type === MESSAGE.reply && message.serial === serial) void gone.then(pass);
      else pass();
    },
  );
}

t.test('a Linux guest, frozen and thawed through libvirt, also by one that libvirt left', async (t) => {
  const guest = await getCountingGuest();
  t.teardown(() => {
    rmSync(guest.initrd);
  });
  const daemon = await privateLibvirt(t);
  const machine = new LibvirtMachine(daemon, 'agent', ['qcow2']);
  const [raw, serial] = [join(machine.directory, 'raw'), join(machine.directory, 'serial')];
  qemuImg('create', '-q', '-f', 'raw', raw, String(DISK_BYTES));
  execFileSync('mke2fs', ['-q', '-t', 'ext4', raw]);
  qemuImg('convert', '-O', 'qcow2', raw, join(machine.directory, 'vda.qcow2'));
  const channel = `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>`;
  await machine.define(`${channel}<serial type='file'><source path='${serial}'/></serial>`, guest);
  await machine.start('running');
  const counting = new CountingGuest(serial);
  const frozenState = async (): Promise<string> =>
    await daemon.virsh('qemu-agent-command', machine.name, '{"execute": "guest-fsfreeze-status"}');
  await counting.countOn(2);
  // Its agent may come a moment later.
  while ((await frozenState().catch(() => '')) === '');
  const asked: number[] = [];
  const slow = await slowToAnswer(t, machine, asked);
  const tracker = machine.tracker({ address: { ...daemon.address, sockets: [slow] } });
  let content: Buffer | undefined;
  for (const [since, id] of [
    [undefined, 'c1'],
    ['c1', 'c2'],
  ] as const) {
    const before = counting.counted();
    asked.length = 0;
    const checkpoint = await tracker.checkpoint(request(id, since));
    const after = counting.counted();
    t.strictSame(asked, STANDSTILL, 'a frozen guest does not wait for a checkpoint to be made');
    t.match(checkpoint, { consistency: 'filesystem', notes: [] });
    t.ok(checkpoint.pauseMs > 0, `the guest stood still for ${Math.round(checkpoint.pauseMs)} ms`);
    t.match(await frozenState(), /thawed/);
    await counting.countOn(2);
    const volume = volumeOf(checkpoint, 'vda');
    const whole = await contentOf(volume);
    t.notOk(needsRecovery(whole), 'frozen');
    const count = countIn(whole, raw);
    t.ok(before <= count && count <= after + 2, `${count} is of that instant, ${before} to ${after}`);
    execFileSync('e2fsck', ['-fn', raw]);
    if (content !== undefined) {
      const changed = await applyChanges(volume, content);
      t.ok(changed.content.equals(whole), 'exact');
      t.ok(changed.bytes < DISK_BYTES / 2);
    }
    content = whole;
    await checkpoint.acknowledge();
    await checkpoint.close();
  }

  let whileAway = '';
  const proxy = await proxyTo(t, machine, (call, pass, end) => {
    if (!isCall(call, REMOTE.domainBackupBegin)) {
      pass();
      return;
    }
    void frozenState().then(async (state) => {
      whileAway = state;
      await daemon.kill();
      end();
    });
  });
  const cut = machine.tracker({ address: { ...daemon.address, sockets: [proxy] } });
  await t.rejects(cut.checkpoint(request('c3', 'c2')), { code: 'TRACKER_FAILED' });
  t.match(whileAway, /frozen/, 'libvirt went while it was frozen');
  await daemon.start();
  await counting.countOn(2);
  t.match(await frozenState(), /thawed/, 'it goes on as soon as libvirt is there, without another checkpoint');
});
