// Real images, written by QEMU's programs and by a guest through a real filter. Needs /dev/fuse and root, and never skips.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { FilterTracker, type FilterTrackerOptions } from '../../../../agent/trackers/filter/filter-tracker.js';
import type { Checkpoint, CheckpointVolume } from '../../../../agent/trackers/tracker.js';
import type { ByteRange } from '../../../../src/protocol/api.js';
import { TestFilter } from '../../../kit/filter.js';
import { bootGuest, getGuest } from '../../../kit/guest.js';
import { qemuImg, qemuIo } from '../../../kit/qemu.js';

const MIB = 1024 * 1024;
const KIB = 1024;

interface Lab {
  readonly filter: TestFilter;
  readonly tracker: FilterTracker;
  readonly at: (name: string) => string;
  /** A checkpoint of all volumes, closed when the test ends. */
  readonly checkpoint: (id: string, since?: string, volumes?: readonly string[]) => Promise<Checkpoint>;
}

async function lab(
  t: Test,
  prepare: (directory: string) => void,
  options: Omit<FilterTrackerOptions, 'machine' | 'filterState' | 'state'> & { readonly sideBytes?: number },
): Promise<Lab> {
  const { sideBytes = 1024 * MIB } = options;
  const filter = await TestFilter.start(t, { prepare, sideBytes });
  const at = (name: string): string => join(filter.directory, name);
  const volumes = options.volumes.map((volume) => ({ ...volume, path: at(volume.path) }));
  const state = join(filter.state, '..', 'tracker');
  const tracker = new FilterTracker({ ...options, volumes, state, machine: 'vm', filterState: filter.state });
  return {
    filter,
    tracker,
    at,
    async checkpoint(id, since, wanted) {
      const { signal } = new AbortController();
      const checkpoint = await tracker.checkpoint({
        id,
        since,
        signal,
        ...(wanted === undefined ? {} : { volumes: wanted }),
      });
      t.teardown(() => checkpoint.close());
      return checkpoint;
    },
  };
}

function volumeOf({ volumes }: Checkpoint, name: string): CheckpointVolume {
  const volume = volumes.find((of) => of.name === name);
  if (volume === undefined) throw new Error(`no volume ${name}`);
  return volume;
}

async function bytesOf(volume: CheckpointVolume): Promise<Buffer> {
  const bytes = Buffer.alloc(volume.sizeBytes);
  for await (const { offset, length } of volume.extents()) {
    await volume.read(bytes.subarray(offset, offset + length), offset);
  }
  return bytes;
}

async function changesOf(volume: CheckpointVolume): Promise<ByteRange[]> {
  const ranges: ByteRange[] = [];
  for await (const { offset, length } of volume.changes()) ranges.push({ offset, length });
  return ranges;
}

/** The runs of blocks of 64 KiB that differ. */
function differences(before: Buffer, after: Buffer): ByteRange[] {
  const ranges: { offset: number; length: number }[] = [];
  for (let offset = 0; offset < after.length; offset += 64 * KIB) {
    const length = Math.min(64 * KIB, after.length - offset);
    if (before.subarray(offset, offset + length).equals(after.subarray(offset, offset + length))) continue;
    const last = ranges.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += length;
    else ranges.push({ offset, length });
  }
  return ranges;
}

t.test('raw and qcow2: exactly what was written is said to have changed', async (t) => {
  const { at, checkpoint, tracker } = await lab(
    t,
    (directory) => {
      writeFileSync(join(directory, 'a.img'), Buffer.alloc(4 * MIB, 1));
      truncateSync(join(directory, 'a.img'), 6 * MIB);
      writeFileSync(join(directory, 'data'), Buffer.alloc(3 * MIB, 'compressible'));
      qemuImg('convert', '-q', '-c', '-O', 'qcow2', join(directory, 'data'), join(directory, 'b.qcow2'));
      qemuImg('resize', '-q', join(directory, 'b.qcow2'), '80M');
    },
    {
      volumes: [
        { name: 'vda', path: 'a.img', format: 'raw' },
        { name: 'vdb', path: 'b.qcow2', format: 'qcow2' },
      ],
      config: async () => [{ name: 'domain.xml', data: Buffer.from('<domain/>') }],
    },
  );
  await qemuIo(at('b.qcow2'), 'qcow2', 'write -P 9 10M 1M', 'write -P 9 40M 128k');
  const first = await checkpoint('c1');
  t.match(first, { id: 'c1', consistency: 'crash', notes: [], config: [{ name: 'domain.xml' }] });
  t.strictSame(
    first.volumes.map(({ name, changesKnown, sizeBytes, path }) => [name, changesKnown, sizeBytes, path]),
    [
      ['vda', false, 6 * MIB, at('a.img')],
      ['vdb', false, 80 * MIB, at('b.qcow2')],
    ],
  );
  const holes: ByteRange[] = [];
  for await (const range of volumeOf(first, 'vda').extents()) holes.push(range);
  t.strictSame(holes, [{ offset: 0, length: 4 * MIB }]);
  // In place, compressed, new, in a place that a discarded cluster had, and zeros.
  await qemuIo(
    at('b.qcow2'),
    'qcow2',
    'write -P 3 10240k 4k',
    'write -P 4 64k 4k',
    'write -P 5 60M 200k',
    'discard 40M 64k',
    'write -P 6 70M 64k',
    'write -z 10560k 64k',
  );
  await qemuIo(at('a.img'), 'raw', 'write -P 7 1M 4k', 'write -P 7 5M 4k', 'flush');
  const [wasA, wasB] = [await bytesOf(volumeOf(first, 'vda')), await bytesOf(volumeOf(first, 'vdb'))];
  t.ok(wasA.subarray(0, 4 * MIB).every((byte) => byte === 1));
  t.ok(wasB[10 * MIB] === 9 && wasB[40 * MIB] === 9 && wasB[60 * MIB] === 0);
  await first.acknowledge();
  await first.close();
  await first.close();

  const second = await checkpoint('c2', 'c1');
  t.strictSame(
    second.volumes.map(({ changesKnown }) => changesKnown),
    [true, true],
    second.notes.join(),
  );
  const [isA, isB] = [await bytesOf(volumeOf(second, 'vda')), await bytesOf(volumeOf(second, 'vdb'))];
  t.strictSame(await changesOf(volumeOf(second, 'vda')), differences(wasA, isA));
  t.strictSame(await changesOf(volumeOf(second, 'vdb')), differences(wasB, isB));
  const flat = at('../flat.raw');
  writeFileSync(flat, isB);
  t.match(qemuImg('compare', '-U', '-f', 'raw', '-F', 'qcow2', flat, at('b.qcow2')), /identical/);
  await second.close();

  const third = await checkpoint('c3', 'c1', ['vdb']);
  t.strictSame(
    await changesOf(volumeOf(third, 'vdb')),
    differences(wasB, isB),
    'the server did not get the second one',
  );
  await third.close();
  const fourth = await checkpoint('c4', 'c2');
  t.strictSame(
    fourth.volumes.map(({ changesKnown }) => changesKnown),
    [false, false],
  );
  t.match(fourth.notes, [/vda: .*another one|vda: nothing/, /vdb/]);
  await fourth.close();
  await tracker.forget();
  t.match((await checkpoint('c5', 'c3')).notes, [/nothing is known/, /nothing is known/]);
});

t.test('qcow2 with files behind it', async (t) => {
  const { at, checkpoint, filter } = await lab(
    t,
    (directory) => {
      mkdirSync(join(directory, 'sub'));
      const base = join(directory, 'sub', 'base.img');
      writeFileSync(base, Buffer.alloc(2 * MIB, 8));
      qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', join(directory, 'middle.qcow2'));
      qemuImg(
        ...['create', '-q', '-f', 'qcow2', '-o', 'extended_l2=on,cluster_size=128k'],
        ...['-b', 'middle.qcow2', '-F', 'qcow2', join(directory, 'top.qcow2')],
      );
    },
    { volumes: [{ name: 'vda', path: 'top.qcow2', format: 'qcow2' }] },
  );
  const first = await checkpoint('c1');
  const was = await bytesOf(volumeOf(first, 'vda'));
  t.ok(was.every((byte) => byte === 8));
  await first.close();
  await qemuIo(at('top.qcow2'), 'qcow2', 'write -P 1 1M 4k');
  const second = await checkpoint('c2', 'c1');
  t.strictSame(await changesOf(volumeOf(second, 'vda')), [{ offset: MIB, length: 128 * KIB }]);
  await second.close();
  await qemuIo(at('sub/base.img'), 'raw', 'write -P 2 0 4k');
  const third = await checkpoint('c3', 'c2');
  t.match(third.notes, [/vda: a backing file was written/]);
  t.equal((await bytesOf(volumeOf(third, 'vda')))[0], 2);
  await third.close();
  const elsewhere = join(filter.directory, '..', 'elsewhere.img');
  copyFileSync(at('sub/base.img'), elsewhere);
  qemuImg('rebase', '-u', '-b', elsewhere, '-F', 'raw', at('middle.qcow2'));
  await (await checkpoint('c4', 'c3')).close();
  const fifth = await checkpoint('c5', 'c4');
  t.match(fifth.notes, [/elsewhere\.img is not in the directory/]);
  t.equal(volumeOf(fifth, 'vda').changesKnown, false);
});

t.test('tables that were lost or damaged, and other images', async (t) => {
  const { at, checkpoint, filter } = await lab(
    t,
    (directory) => {
      qemuImg('create', '-q', '-f', 'qcow2', join(directory, 'a.qcow2'), '10M');
    },
    { volumes: [{ name: 'vda', path: 'a.qcow2', format: 'qcow2' }] },
  );
  const tables = (): string => {
    const top = join(filter.state, '..', 'tracker');
    const [machine = ''] = readdirSync(top);
    const names = readdirSync(join(top, machine));
    t.ok(names.length <= 2, 'those of the last checkpoint and of this one');
    return join(top, machine, names.sort().at(-1) ?? '');
  };
  await qemuIo(at('a.qcow2'), 'qcow2', 'write 0 1M');
  await (await checkpoint('c1')).close();
  const kept = readFileSync(tables());
  for (const [index, change] of [
    () => {
      truncateSync(tables(), 100);
    },
    () => {
      writeFileSync(
        tables(),
        kept.map((byte, at) => (at === 60 ? byte ^ 1 : byte)),
      );
    },
    () => {
      writeFileSync(
        tables(),
        kept.map((byte, at) => (at === 0 ? byte ^ 1 : byte)),
      );
    },
    () => {
      rmSync(tables());
    },
    () => {
      qemuImg('resize', '-q', at('a.qcow2'), `20M`);
    },
  ].entries()) {
    change();
    const next = await checkpoint(`c${index + 2}`, `c${index + 1}`);
    t.equal(volumeOf(next, 'vda').changesKnown, false, next.notes.join());
    await next.close();
  }
  qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${at('data')}`, at('other'), '10M');
  const volumes = [{ name: 'vda', path: at('other'), format: 'qcow2' as const }];
  const options = { machine: 'other', volumes, filterState: filter.state, state: join(filter.state, '..', 'tracker') };
  const { signal } = new AbortController();
  const external = await new FilterTracker(options).checkpoint({ id: 'c1', since: 'c0', signal });
  t.match(external.notes, [/has its data in other files/]);
  await external.close();
  const refused = async (format: 'raw' | 'vdi', path: string, code: string): Promise<void> => {
    const tracker = new FilterTracker({ ...options, volumes: [{ name: 'vda', path, format }] });
    await t.rejects(tracker.checkpoint({ id: 'c1', since: undefined, signal }), { code });
  };
  await refused('vdi', at('a.qcow2'), 'TRACKER_UNAVAILABLE');
  await refused('raw', '/etc/passwd', 'TRACKER_UNAVAILABLE');
  await refused('raw', at('none'), 'IMAGE_NOT_FOUND');
  const cancelled = new FilterTracker(options).checkpoint({ id: 'c2', since: undefined, signal: AbortSignal.abort() });
  await t.rejects(cancelled, { code: 'CANCELLED' });
  await filter.stop();
  await refused('raw', at('a.qcow2'), 'TRACKER_UNAVAILABLE');
});

t.test('a standstill, and a view that is lost', async (t) => {
  const seen: string[] = [];
  const { at, checkpoint } = await lab(
    t,
    (directory) => {
      writeFileSync(join(directory, 'a.img'), Buffer.alloc(4 * MIB, 1));
    },
    {
      volumes: [{ name: 'vda', path: 'a.img', format: 'raw' }],
      sideBytes: 64 * KIB,
      async standstill(action) {
        seen.push('still');
        const result = await action(new AbortController().signal);
        seen.push('on');
        return { result, consistency: 'filesystem', timeMs: 12, pauseMs: 34, remarks: ['said'] };
      },
    },
  );
  const first = await checkpoint('c1');
  t.strictSame(seen, ['still', 'on']);
  t.match(first, { consistency: 'filesystem', timeMs: 12, pauseMs: 34, notes: ['said'] });
  await qemuIo(at('a.img'), 'raw', 'write -P 2 0 1M');
  const target = Buffer.alloc(10);
  await t.rejects(volumeOf(first, 'vda').read(target, 0), {
    code: 'IMAGE_CHANGED',
    message: /view of .*a\.img is lost/,
  });
  await first.close();
  await t.rejects(volumeOf(first, 'vda').read(target, 0), { code: 'IMAGE_CHANGED' });
});

t.test('a guest writes to both kinds of disks through the filter', { timeout: 240_000 }, async (t) => {
  const data = Buffer.alloc(3 * MIB, 'what the guest copies ');
  const { at, checkpoint } = await lab(
    t,
    (directory) => {
      const tree = join(directory, 'tree');
      mkdirSync(tree);
      writeFileSync(join(tree, 'data'), data);
      const flat = join(directory, 'flat');
      execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', tree, flat, '24M']);
      qemuImg('convert', '-q', '-f', 'raw', '-O', 'qcow2', flat, join(directory, 'a.qcow2'));
      writeFileSync(join(directory, 'b.img'), Buffer.alloc(8 * MIB, 1));
      rmSync(tree, { recursive: true });
      rmSync(flat);
    },
    {
      volumes: [
        { name: 'vda', path: 'a.qcow2', format: 'qcow2' },
        { name: 'vdb', path: 'b.img', format: 'raw' },
      ],
    },
  );
  const guest = await getGuest();
  const first = await checkpoint('c1');
  const before = [await bytesOf(volumeOf(first, 'vda')), await bytesOf(volumeOf(first, 'vdb'))];
  await first.close();
  const running = bootGuest(guest, at('a.qcow2'), at('b.img'));
  const guestState = { isOver: false };
  const over = running.then(() => {
    guestState.isOver = true;
  });
  // Checkpoints while it runs, until it has ended.
  let since = 'c1';
  for (let round = 2; !guestState.isOver; round++) {
    const now = await checkpoint(`c${round}`, since);
    for (const [index, name] of ['vda', 'vdb'].entries()) {
      const volume = volumeOf(now, name);
      t.ok(volume.changesKnown, now.notes.join());
      const bytes = await bytesOf(volume);
      const said = await changesOf(volume);
      const missing = differences(before[index] ?? Buffer.alloc(0), bytes).filter(({ offset, length }) => {
        return !said.some((range) => range.offset <= offset && offset + length <= range.offset + range.length);
      });
      t.strictSame(missing, [], `${name} at c${round}`);
      before[index] = bytes;
    }
    await now.acknowledge();
    await now.close();
    since = `c${round}`;
    await Promise.race([over, setTimeout(4000)]);
  }
  const output = await running.finally(() => {
    rmSync(guest.initrd);
  });
  t.match(output, 'guest: copied');
  const last = await checkpoint('last', since);
  const [disk, raw] = [await bytesOf(volumeOf(last, 'vda')), await bytesOf(volumeOf(last, 'vdb'))];
  const copy = at('copy.raw');
  writeFileSync(copy, disk);
  t.match(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', copy, at('a.qcow2')), /identical/);
  t.equal(execFileSync('debugfs', ['-R', 'cat /from-guest', copy], { encoding: 'utf8' }), 'written by the guest\n');
  t.ok(raw.equals(readFileSync(at('b.img'))));
  t.ok(raw.subarray(0, data.length).equals(data), 'the guest copied it');
  t.equal(statSync(at('b.img')).size, 8 * MIB);
});
