import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { watchRoom } from '../../../../agent/trackers/qemu-bitmap-libvirt/scratch-room.js';
import { ManualClock } from '../../../kit/manual-clock.js';
import { contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

/** The mount point of a disk of 3 MiB; mounted before libvirt starts, which else would not see it. */
function smallDisk(t: Test): string {
  const directory = temporaryDirectory(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', directory]);
  t.teardown(() => execFileSync('umount', ['-l', directory]));
  return directory;
}

t.test('a scratch disk that fills costs the backup, not the guest', async (t) => {
  const scratchDirectory = smallDisk(t);
  const daemon = await privateLibvirt(t);
  const machine = new LibvirtMachine(daemon, 'room', ['qcow2']);
  await machine.define();
  await machine.start('running');
  await machine.write(0, 'write -P 1 0 6M');
  const tracker = machine.tracker({ scratchDirectory });
  const cramped = await tracker.checkpoint(request('c1'));
  // More than the scratch disk holds: QEMU may refuse the end of it.
  for (let at = 0; at < 6; at++) await machine.write(0, `write -P 2 ${at}M 1M`);
  const lost = async (): Promise<void> => {
    for (;;) await contentOf(volumeOf(cramped, 'vda'));
  };
  await t.rejects(lost(), { code: 'IMAGE_CHANGED', message: /no room in/, hint: /scratch/ });
  await cramped.close();
  t.strictSame(readdirSync(scratchDirectory), []);
  t.match(await daemon.virsh('domstate', machine.name), /running/);
  t.strictSame(await machine.left(), ['bitmap umbra-c1', 'checkpoint umbra-c1']);
});

t.test('a directory that is gone has room', async (t) => {
  const clock = new ManualClock();
  const stop = watchRoom('/nowhere', clock, () => Promise.reject(new Error('called')));
  clock.advance(200);
  await new Promise((resolve) => setTimeout(resolve, 20));
  clock.advance(200);
  stop();
  clock.advance(200);
  t.pass();
});
