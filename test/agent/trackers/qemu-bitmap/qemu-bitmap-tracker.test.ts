import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Checkpoint } from '../../../../agent/trackers/tracker.js';
import { applyChanges, bitmapTracker, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { qemuImg } from '../../../kit/qemu.js';
import { namesIn, startMachine, waitForWrites, writeDisk, type MachineDisk } from '../../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const MIB = 1024 * 1024;
const SIZE = 16 * MIB;

function makeDisks(directory: string, formats: readonly ('raw' | 'qcow2')[] = ['qcow2', 'qcow2']): MachineDisk[] {
  return formats.map((format, index) => {
    const id = `vd${'abc'.charAt(index)}`;
    const file = join(directory, `${id}.${format}`);
    qemuImg('create', '-q', '-f', format, file, String(SIZE));
    return { file, format, id };
  });
}

/** What a machine at rest may have of ours: the bitmaps of one checkpoint. */
function atRest(disks: readonly MachineDisk[], checkpoint?: string): string[] {
  const bitmaps = checkpoint === undefined ? [] : disks.map(({ id }) => `bitmap umbra-${checkpoint}-${SIZE}-${id}`);
  return [...bitmaps, ...disks.map(({ id }) => `node disk-${id}`)].sort();
}

/** Nothing in the agent's directories, nothing of a server. */
function leftIn(directory: string): string[] {
  const left = ['state', 'scratch'].flatMap((name) => readdirSync(join(directory, name)));
  return [...left, ...readdirSync(directory).filter((name) => name.startsWith('umbra-'))];
}

async function contentsOf(checkpoint: Checkpoint): Promise<Buffer[]> {
  return await Promise.all(checkpoint.volumes.map((volume) => contentOf(volume)));
}

/** Both disks are of one instant if their counters are the same or the second is one behind. */
function checkLockstep(t: Test, [first, second]: readonly Buffer[]): void {
  const [a = 0, b = 0] = [first?.readUInt32LE(0), second?.readUInt32LE(0)];
  t.ok(a > 0 && (a === b || a === b + 1), `counters ${a} and ${b}`);
}

t.test('a full and several incremental checkpoints of a machine that writes all the time', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory);
  const machine = await startMachine(t, directory, { disks, writes: true });
  const tracker = bitmapTracker(directory, machine.qmpSocket);
  await waitForWrites(machine.monitor);
  const first = await tracker.checkpoint(request('c1'));
  t.match(first, { consistency: 'crash', id: 'c1', notes: [/no guest agent/] });
  t.same(
    first.volumes.map(({ name, format, sizeBytes, changesKnown }) => [name, format, sizeBytes, changesKnown]),
    [
      ['vda', 'qcow2', SIZE, false],
      ['vdb', 'qcow2', SIZE, false],
    ],
  );
  let contents = await contentsOf(first);
  checkLockstep(t, contents);
  await waitForWrites(machine.monitor);
  t.same(await contentsOf(first), contents, 'the view stands still');
  await first.acknowledge();
  await first.close();
  t.same(await namesIn(machine.monitor), atRest(disks, 'c1'));
  for (const [since, id] of [
    ['c1', 'c2'],
    ['c2', 'c3'],
    ['c3', 'c4'],
  ] as const) {
    await waitForWrites(machine.monitor);
    await writeDisk(machine.monitor, 'vda', 'write -z 12M 1M');
    const next = await tracker.checkpoint(request(id, since));
    t.ok(next.volumes.every(({ changesKnown }) => changesKnown));
    const whole = await contentsOf(next);
    checkLockstep(t, whole);
    const changed = await Promise.all(
      next.volumes.map((volume, index) => applyChanges(volume, contents[index] ?? Buffer.alloc(0))),
    );
    t.ok(
      changed.every(({ content }, index) => content.equals(whole[index] ?? Buffer.alloc(0))),
      'exact',
    );
    t.ok(changed.every(({ bytes }) => bytes > 0 && bytes < SIZE));
    contents = whole;
    await next.acknowledge();
    await next.close();
    t.same(await namesIn(machine.monitor), atRest(disks, id));
    t.same(leftIn(directory), []);
  }
  await waitForWrites(machine.monitor);
});

t.test('QEMU stopped and started again: the bitmaps come back', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory, ['qcow2', 'raw']);
  const before = await startMachine(t, directory, { disks });
  const tracker = bitmapTracker(directory, before.qmpSocket);
  await writeDisk(before.monitor, 'vda', 'write -P 1 0 1M');
  const first = await tracker.checkpoint(request('c1'));
  const content = await contentOf(volumeOf(first, 'vda'));
  await first.acknowledge();
  await first.close();
  await writeDisk(before.monitor, 'vda', 'write -P 2 512k 1M');
  await before.stop();
  const machine = await startMachine(t, directory, { disks });
  await writeDisk(machine.monitor, 'vda', 'write -P 3 5M 4k');
  const second = await tracker.checkpoint(request('c2', 'c1'));
  t.match(second.notes, [/vdb: its bitmap .* keeps no bitmaps/, /no guest agent/]);
  t.equal(volumeOf(second, 'vdb').changesKnown, false, 'raw keeps none');
  const changed = await applyChanges(volumeOf(second, 'vda'), content);
  t.equal(changed.bytes, MIB + 64 * 1024);
  t.ok(changed.content.equals(await contentOf(volumeOf(second, 'vda'))));
  await second.close();
  t.same(
    await namesIn(machine.monitor),
    [...atRest(disks, 'c2'), `bitmap umbra-c1-${SIZE}-vda`].sort(),
    'not acknowledged',
  );
});
