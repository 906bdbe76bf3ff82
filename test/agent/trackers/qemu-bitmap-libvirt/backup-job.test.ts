import { join } from 'node:path';
import t, { type Test } from 'tap';
import { endBackup, runningBackup } from '../../../../agent/trackers/qemu-bitmap-libvirt/backup-job.js';
import { deleteCheckpoint, readCheckpoint } from '../../../../agent/trackers/qemu-bitmap-libvirt/checkpoints.js';
import { MadeCheckpoints } from '../../../../agent/trackers/qemu-bitmap-libvirt/made-checkpoints.js';
import { Libvirt } from '../../../../agent/libvirt/libvirt.js';
import { LIBVIRT_ERROR, REMOTE, STATUS } from '../../../../agent/libvirt/protocol.js';
import { XdrWriter } from '../../../../agent/libvirt/xdr.js';
import { fakeLibvirt, libvirtErrorBody, libvirtReply } from '../../../kit/fake-libvirt.js';
import { ManualClock } from '../../../kit/manual-clock.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const DOMAIN = { name: 'guest', uuid: Buffer.alloc(16, 7), id: 1 };
const backup = (scratch: string): string =>
  `<domainbackup mode='pull'><disks><disk name='vda'><scratch file='${scratch}'/></disk></disks></domainbackup>`;

/** A libvirt that answers each procedure with a text, or fails with a number. */
async function answering(t: Test, answers: Readonly<Record<number, string | number>>): Promise<Libvirt> {
  const path = await fakeLibvirt(t, (call, socket) => {
    const answer = answers[call.procedure];
    if (answer === undefined) return false;
    if (typeof answer === 'string') return socket.write(libvirtReply(call, new XdrWriter().string(answer).bytes()));
    return socket.write(libvirtReply(call, libvirtErrorBody(answer, 'no'), STATUS.error));
  });
  const libvirt = await Libvirt.open({ sockets: [path], name: 'qemu:///system' });
  t.teardown(() => libvirt.close());
  return libvirt;
}

void t.test('whose backup it is', async (t) => {
  const of = async (scratch: string): Promise<string> =>
    await runningBackup(await answering(t, { [REMOTE.domainBackupGetXmlDesc]: backup(scratch) }), DOMAIN, '/s');
  t.equal(await of('/s/umbra-scratch-a/0.qcow2'), 'ours');
  for (const other of ['/s/umbra-scratch', '/else/umbra-scratch-a/0.qcow2', 'umbra-scratch-a/0', '']) {
    t.equal(await of(other), 'foreign', other);
  }
  const none = await answering(t, { [REMOTE.domainBackupGetXmlDesc]: LIBVIRT_ERROR.noDomainBackup });
  t.equal(await runningBackup(none, DOMAIN, '/s'), 'none');
  const failing = await answering(t, { [REMOTE.domainBackupGetXmlDesc]: 1 });
  await t.rejects(runningBackup(failing, DOMAIN, '/s'), { code: 'HYPERVISOR_FAILED' });
});

void t.test('a backup that does not end', async (t) => {
  const clock = new ManualClock();
  const endless = { [REMOTE.domainBackupGetXmlDesc]: backup('/s/umbra-scratch-a/0.qcow2') };
  const late = endBackup(await answering(t, endless), DOMAIN, '/s', clock);
  await new Promise((resolve) => setTimeout(resolve, 20));
  clock.advance(31_000);
  await t.rejects(late, { code: 'TRACKER_FAILED', message: /does not end/ });
  const refusing = await answering(t, { ...endless, [REMOTE.domainAbortJob]: LIBVIRT_ERROR.accessDenied });
  await t.rejects(endBackup(refusing, DOMAIN, '/s', clock), { code: 'HYPERVISOR_DENIED' });
});

void t.test('a backup has ended when QEMU has let go of its scratch files', async (t) => {
  const answers: Record<number, string | number> = {
    [REMOTE.domainBackupGetXmlDesc]: backup('/s/umbra-scratch-a/0.qcow2'),
    [REMOTE.domainGetBlockInfo]: 1,
  };
  const ending = endBackup(await answering(t, answers), DOMAIN, '/s', new ManualClock());
  await new Promise((resolve) => setTimeout(resolve, 20));
  answers[REMOTE.domainBackupGetXmlDesc] = LIBVIRT_ERROR.noDomainBackup;
  await t.rejects(ending, { code: 'HYPERVISOR_FAILED' }, 'what libvirt says only after that is waited for');
});

void t.test('checkpoints that can’t be read or deleted', async (t) => {
  const read = async (answer: string | number): Promise<unknown> =>
    await readCheckpoint(await answering(t, { [REMOTE.domainCheckpointGetXmlDesc]: answer }), DOMAIN, 'umbra-a');
  t.match(await read(LIBVIRT_ERROR.noDomainCheckpoint), /no checkpoint of the last backup/);
  t.match(await read(1), /libvirt: no/);
  t.match(await read('<domain'), /is no XML/);
  await t.rejects(read(LIBVIRT_ERROR.accessDenied), { code: 'HYPERVISOR_DENIED' });
  const made = new MadeCheckpoints(join(temporaryDirectory(t), 'checkpoints.json'));
  await made.add('umbra-a');
  const denying = await answering(t, { [REMOTE.domainCheckpointDelete]: LIBVIRT_ERROR.accessDenied });
  await t.rejects(deleteCheckpoint(denying, DOMAIN, 'umbra-a', made), { code: 'HYPERVISOR_DENIED' });
  const gone = await answering(t, { [REMOTE.domainCheckpointDelete]: LIBVIRT_ERROR.noDomainCheckpoint });
  await deleteCheckpoint(gone, DOMAIN, 'umbra-a', made);
  t.same(await made.list(), ['umbra-a'], 'its bitmaps may be there');
});
