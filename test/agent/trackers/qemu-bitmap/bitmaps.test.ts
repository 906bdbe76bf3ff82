import { renameSync } from 'node:fs';
import t from 'tap';
import type { QmpClient } from '../../../../agent/qemu/qmp.js';
import type { Checkpoint } from '../../../../agent/trackers/tracker.js';
import { applyChanges, bitmapTracker, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { atRest, DISK_BYTES, makeDisks } from '../../../kit/machine-lab.js';
import { qemuImg } from '../../../kit/qemu.js';
import { namesIn, startMachine, writeDisk } from '../../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

/** A bitmap of a checkpoint, made in another way than ours. */
async function replaceBitmap(monitor: QmpClient, checkpoint: string, more: Record<string, unknown>): Promise<void> {
  const bitmap = { node: 'disk-vda', name: `umbra-${checkpoint}-${DISK_BYTES}-vda` };
  await monitor.execute('block-dirty-bitmap-remove', bitmap);
  await monitor.execute('block-dirty-bitmap-add', { ...bitmap, ...more });
}

async function closed(checkpoint: Checkpoint): Promise<Checkpoint> {
  await checkpoint.acknowledge();
  await checkpoint.close();
  return checkpoint;
}

function known(checkpoint: Checkpoint): boolean[] {
  return checkpoint.volumes.map(({ changesKnown }) => changesKnown);
}

t.test('bitmaps that can not be relied on', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks });
  const tracker = bitmapTracker(directory, qmpSocket);
  const node = 'disk-vda';
  await monitor.execute('block-dirty-bitmap-add', { node, name: 'theirs' });
  await closed(await tracker.checkpoint(request('c1')));
  await replaceBitmap(monitor, 'c1', { granularity: 4096 });
  const coarse = await closed(await tracker.checkpoint(request('c2', 'c1')));
  t.match(coarse.notes, [/vda: its bitmap is of another granularity/, /guest agent/]);
  t.same(known(coarse), [false, true]);
  await replaceBitmap(monitor, 'c2', { granularity: 65_536, disabled: true });
  const disabled = await closed(await tracker.checkpoint(request('c3', 'c2')));
  t.match(disabled.notes, [/vda: its bitmap was disabled/, /guest agent/]);
  t.same(known(disabled), [false, true]);
  const other = await closed(await tracker.checkpoint(request('c4', 'c2')));
  t.match(other.notes, [/vda: its bitmap of the last checkpoint is not there/, /vdb/, /guest agent/]);
  t.same(known(other), [false, false]);
  await monitor.execute('block_resize', { 'node-name': 'disk-vda', size: DISK_BYTES * 2 });
  const resized = await tracker.checkpoint(request('c5', 'c4'));
  t.match(resized.notes, [/vda: .* it was resized/, /guest agent/]);
  t.same(known(resized), [false, true]);
  t.equal(volumeOf(resized, 'vda').sizeBytes, DISK_BYTES * 2);
  t.equal((await contentOf(volumeOf(resized, 'vda'))).length, DISK_BYTES * 2);
  await closed(resized);
  const names = await namesIn(monitor);
  t.same(
    names.filter((name) => name.startsWith('bitmap')),
    ['bitmap theirs', `bitmap umbra-c5-${DISK_BYTES}-vdb`, `bitmap umbra-c5-${DISK_BYTES * 2}-vda`],
  );
  await tracker.forget();
  t.same(await namesIn(monitor), ['bitmap theirs', 'node disk-vda', 'node disk-vdb']);
});

t.test('nothing is lost by backups that fail, and acknowledgements that get lost', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks });
  const tracker = bitmapTracker(directory, qmpSocket);
  const first = await closed(await tracker.checkpoint(request('c1')));
  t.same(known(first), [false, false]);
  const base = Buffer.alloc(DISK_BYTES);
  await writeDisk(monitor, 'vda', 'write -P 1 0 64k');
  await (await tracker.checkpoint(request('c2', 'c1'))).close();
  t.same(
    (await namesIn(monitor)).filter((name) => name.includes('vda')),
    [`bitmap umbra-c1-${DISK_BYTES}-vda`, `bitmap umbra-c2-${DISK_BYTES}-vda`, 'node disk-vda'],
  );
  await writeDisk(monitor, 'vda', 'write -P 2 1M 64k');
  const third = await tracker.checkpoint(request('c3', 'c1'));
  const both = await applyChanges(volumeOf(third, 'vda'), base);
  t.equal(both.bytes, 2 * 65_536, 'what failed is there too');
  t.ok(both.content.equals(await contentOf(volumeOf(third, 'vda'))));
  await third.close();
  await writeDisk(monitor, 'vda', 'write -P 3 2M 64k');
  const fourth = await tracker.checkpoint(request('c4', 'c3'));
  t.equal((await applyChanges(volumeOf(fourth, 'vda'), both.content)).bytes, 65_536, 'the server had c3');
  await closed(fourth);
  t.same(await namesIn(monitor), atRest(disks, 'c4'));
});

t.test('a checkpoint that was cancelled leaves no trace', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks });
  const tracker = bitmapTracker(directory, qmpSocket);
  await closed(await tracker.checkpoint(request('c1')));
  const { signal } = { signal: AbortSignal.abort() };
  await t.rejects(tracker.checkpoint({ ...request('c2', 'c1'), signal }), { code: 'CANCELLED' });
  t.same(await namesIn(monitor), atRest(disks, 'c1'));
  await t.rejects(tracker.checkpoint(request('c1', 'c1')), { code: 'INTERNAL' });
  await t.rejects(tracker.checkpoint(request('No')), { code: 'INTERNAL' });
});

t.test('disks are gained, lost, left out, swapped and replaced', async (t) => {
  const directory = temporaryDirectory(t);
  const [vda, vdb, vdc] = makeDisks(directory, ['qcow2', 'qcow2', 'qcow2']);
  if (vda === undefined || vdb === undefined || vdc === undefined) throw new Error('no disks');
  const one = await startMachine(t, directory, { disks: [vda, vdb] });
  const tracker = bitmapTracker(directory, one.qmpSocket);
  await closed(await tracker.checkpoint(request('c1')));
  await one.stop();
  const two = await startMachine(t, directory, { disks: [vda, { ...vdc, id: 'vdc' }] });
  const gained = await closed(await tracker.checkpoint(request('c2', 'c1')));
  t.same(
    gained.volumes.map(({ name, changesKnown }) => [name, changesKnown]),
    [
      ['vda', true],
      ['vdc', false],
    ],
  );
  const chosen = { ...request('c3', 'c2'), volumes: ['vda', 'vdz'] };
  const part = await closed(await tracker.checkpoint(chosen));
  t.same(
    part.volumes.map(({ name }) => name),
    ['vda'],
  );
  t.match(part.notes, [/no volume vdz/, /guest agent/]);
  t.same(await namesIn(two.monitor), [`bitmap umbra-c3-${DISK_BYTES}-vda`, 'node disk-vda', 'node disk-vdc']);
  await t.rejects(tracker.checkpoint({ ...chosen, volumes: ['vdz'] }), { code: 'TRACKER_UNAVAILABLE', message: /vdz/ });
  await closed(await tracker.checkpoint(request('c4', 'c3')));
  await two.stop();
  // The images change places; each brings a bitmap of c4.
  renameSync(vda.file, `${vda.file}.x`);
  renameSync(vdc.file, vda.file);
  renameSync(`${vda.file}.x`, vdc.file);
  const three = await startMachine(t, directory, { disks: [vda, vdc] });
  const swapped = await closed(await tracker.checkpoint(request('c5', 'c4')));
  t.same(known(swapped), [false, false]);
  t.match(swapped.notes, [/vda: .* is the disk of another volume/, /vdc/, /guest agent/]);
  t.same(await namesIn(three.monitor), atRest([vda, vdc], 'c5'));
  await three.stop();
  qemuImg('create', '-q', '-f', 'qcow2', '-o', 'compat=0.10', vda.file, String(DISK_BYTES));
  const four = await startMachine(t, directory, { disks: [vda, vdc] });
  const replaced = await closed(await tracker.checkpoint(request('c6', 'c5')));
  t.same(known(replaced), [false, true]);
  t.same(known(await closed(await tracker.checkpoint(request('c7', 'c6')))), [true, true], 'old qcow2: in memory');
  t.same(await namesIn(four.monitor), atRest([vda, vdc], 'c7'));
  await four.stop();
  const none = await startMachine(t, directory, { disks: [] });
  const left = bitmapTracker(directory, none.qmpSocket).checkpoint(request('c8', 'c7'));
  await t.rejects(left, { code: 'TRACKER_UNAVAILABLE', message: /no disk/ });
});
