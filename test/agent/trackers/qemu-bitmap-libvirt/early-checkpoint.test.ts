import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { REMOTE } from '../../../../agent/libvirt/protocol.js';
import type { LibvirtBitmapTracker } from '../../../../agent/trackers/qemu-bitmap-libvirt/libvirt-bitmap-tracker.js';
import { applyChanges, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { privateLibvirt, type PrivateLibvirt } from '../../../kit/libvirt.js';
import { LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { isCall, proxyTo } from '../../../kit/libvirt-proxy.js';

const KIB = 1024;

interface Lab {
  readonly machine: LibvirtMachine;
  readonly tracker: LibvirtBitmapTracker;
  /** Done once, when libvirt has made a checkpoint, and before it is asked for the backup. */
  inBetween: () => Promise<unknown>;
  readonly content: Buffer;
}

/** A machine with a checkpoint, `c1`. */
async function startLab(t: Test, daemon: PrivateLibvirt, name: string): Promise<Lab> {
  const machine = new LibvirtMachine(daemon, name, ['qcow2']);
  await machine.define();
  await machine.start();
  const first = await machine.tracker().checkpoint(request('c1'));
  const content = await contentOf(volumeOf(first, 'vda'));
  await first.acknowledge();
  await first.close();
  const nothing = (): Promise<unknown> => Promise.resolve();
  const socket = await proxyTo(t, machine, (call, pass) => {
    if (!isCall(call, REMOTE.domainBackupBegin)) {
      pass();
      return;
    }
    const { inBetween } = lab;
    lab.inBetween = nothing;
    void inBetween().finally(pass);
  });
  const tracker = machine.tracker({ address: { ...daemon.address, sockets: [socket] } });
  const lab: Lab = { machine, tracker, content, inBetween: nothing };
  return lab;
}

t.test('a checkpoint of libvirt that is a little older than its backup', async (t) => {
  const daemon = await privateLibvirt(t);

  await t.test('what is written in between is in this backup and in the next', async (t) => {
    const lab = await startLab(t, daemon, 'early');
    const { machine, tracker } = lab;
    await machine.write(0, 'write -P 1 1M 64k');
    lab.inBetween = () => machine.write(0, 'write -P 2 2M 64k');
    const second = await tracker.checkpoint(request('c2', 'c1'));
    const whole = await contentOf(volumeOf(second, 'vda'));
    t.ok(whole.subarray(2 * KIB * KIB, 2 * KIB * KIB + 64 * KIB).every((byte) => byte === 2));
    const { content, bytes } = await applyChanges(volumeOf(second, 'vda'), lab.content);
    t.ok(content.equals(whole), 'exact');
    t.equal(bytes, 128 * KIB);
    await second.acknowledge();
    await second.close();

    await machine.write(0, 'write -P 3 3M 64k');
    const third = await tracker.checkpoint(request('c3', 'c2'));
    const after = await applyChanges(volumeOf(third, 'vda'), content);
    t.ok(after.content.equals(await contentOf(volumeOf(third, 'vda'))), 'exact');
    t.equal(after.bytes, 128 * KIB);
    await third.acknowledge();
    await third.close();
    t.strictSame(await machine.left(), ['bitmap umbra-c3', 'checkpoint umbra-c3']);
  });

  await t.test('it goes if there is no backup', async (t) => {
    const lab = await startLab(t, daemon, 'refused');
    const { machine, tracker } = lab;
    const scratch = join(machine.directory, 'scratch');
    lab.inBetween = async () => {
      t.ok((await machine.left()).includes('checkpoint umbra-c2'), 'it is there before the backup begins');
      for (const name of readdirSync(scratch)) await rm(join(scratch, name), { recursive: true });
    };
    await t.rejects(tracker.checkpoint(request('c2', 'c1')), { code: 'TRACKER_FAILED' });
    t.strictSame(await machine.left(), ['bitmap umbra-c1', 'checkpoint umbra-c1']);
  });

  await t.test('and if a disk got another image in between', async (t) => {
    const lab = await startLab(t, daemon, 'swapped');
    const { machine, tracker } = lab;
    await machine.write(0, 'write -P 1 1M 64k');
    const copy = join(machine.directory, 'copy.qcow2');
    const how = ['--format', 'qcow2', '--transient-job', '--wait', '--pivot'];
    lab.inBetween = () => daemon.virsh('blockcopy', machine.name, 'vda', copy, ...how);
    const refused = { code: 'TRACKER_FAILED', message: /^vda of swapped got another image/ };
    await t.rejects(tracker.checkpoint(request('c2', 'c1')), refused);
    t.notOk((await machine.left()).some((each) => each.includes('c2')));
    const third = await tracker.checkpoint(request('c3', 'c1'));
    t.match(third.notes, [/^vda: it has another image/]);
    t.notOk(volumeOf(third, 'vda').changesKnown);
    await third.acknowledge();
    await third.close();
    t.strictSame(await machine.left(), ['bitmap umbra-c3', 'checkpoint umbra-c3']);
  });
});
