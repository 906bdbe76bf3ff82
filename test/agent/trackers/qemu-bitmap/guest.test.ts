import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { applyChanges, bitmapTracker, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { countIn, CountingGuest, needsRecovery } from '../../../kit/counting-guest.js';
import { getCountingGuest, guestArguments } from '../../../kit/guest.js';
import { leftIn } from '../../../kit/machine-lab.js';
import { namesIn, startQemu } from '../../../kit/qemu-machine.js';
import { qemuImg } from '../../../kit/qemu.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const SIZE = 32 * 1024 * 1024;

t.test('a Linux guest that counts: frozen by its agent, thawed, and exact', async (t) => {
  const guest = await getCountingGuest();
  t.teardown(() => {
    rmSync(guest.initrd);
  });
  const directory = temporaryDirectory(t);
  const raw = join(directory, 'raw');
  qemuImg('create', '-q', '-f', 'raw', raw, String(SIZE));
  execFileSync('mke2fs', ['-q', '-t', 'ext4', raw]);
  const disk = join(directory, 'disk');
  qemuImg('convert', '-O', 'qcow2', raw, disk);
  const [serial, guestAgentSocket] = [join(directory, 'serial'), join(directory, 'agent')];
  const node = { driver: 'qcow2', 'node-name': 'disk', file: { driver: 'file', filename: disk } };
  const { qmpSocket, monitor } = await startQemu(t, directory, [
    ...[...guestArguments(guest), '-serial', `file:${serial}`],
    ...['-object', 'iothread,id=io', '-blockdev', JSON.stringify(node)],
    ...['-device', 'virtio-blk-pci,drive=disk,id=vda', '-device', 'virtio-serial-pci'],
    ...['-chardev', `socket,path=${guestAgentSocket},server=on,wait=off,id=agent`],
    ...['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
  ]);
  const counting = new CountingGuest(serial);
  await counting.countOn(2);
  const tracker = bitmapTracker(directory, qmpSocket, { guestAgentSocket });
  const crash = await bitmapTracker(directory, qmpSocket).checkpoint(request('c1'));
  t.equal(crash.consistency, 'crash');
  let content = await contentOf(volumeOf(crash, 'vda'));
  t.ok(needsRecovery(content));
  await crash.acknowledge();
  await crash.close();
  for (const [since, id] of [
    ['c1', 'c2'],
    ['c2', 'c3'],
  ] as const) {
    await counting.countOn(2);
    const before = counting.counted();
    const checkpoint = await tracker.checkpoint(request(id, since));
    const after = counting.counted();
    t.match(checkpoint, { consistency: 'filesystem', notes: [] });
    t.comment(`the guest stood still for ${Math.round(checkpoint.pauseMs)} ms`);
    await counting.countOn(2);
    const volume = volumeOf(checkpoint, 'vda');
    const whole = await contentOf(volume);
    t.notOk(needsRecovery(whole), 'frozen');
    const count = countIn(whole, raw);
    t.ok(before <= count && count <= after + 2, `${count} is of that instant, ${before} to ${after}`);
    const changed = await applyChanges(volume, content);
    t.ok(changed.content.equals(whole), 'exact');
    t.ok(changed.bytes > 0 && changed.bytes < SIZE / 4);
    execFileSync('e2fsck', ['-fn', raw]);
    content = whole;
    await checkpoint.acknowledge();
    await checkpoint.close();
    t.same(await namesIn(monitor), [`bitmap umbra-${id}-${SIZE}-vda`, 'node disk']);
    t.same(leftIn(directory), []);
  }
  await counting.countOn(2);
});
