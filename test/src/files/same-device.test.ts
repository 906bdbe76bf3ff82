import t, { type Test } from 'tap';
import { WindowSource } from '../../../mount/blocks/byte-source.js';
import type { FindDevices } from '../../../mount/files/guest-device.js';
import { directory, inlineFile, MemoryFilesystem } from '../../kit/filesystems/memory-filesystem.js';
import { FilesLab } from '../../kit/files-lab.js';

const MIB = 1024 * 1024;
/** Two devices that lie one behind the other; it takes two steps to look at each. */
const DEVICE_BYTES = 100 * MIB;

class BtrfsLike extends MemoryFilesystem {
  override readonly type = 'btrfs';
}

function volume(first: number, second: number): Buffer {
  const bytes = Buffer.alloc(2 * DEVICE_BYTES);
  bytes.fill(first, DEVICE_BYTES - 4096, DEVICE_BYTES);
  bytes.fill(second, 2 * DEVICE_BYTES - 4096);
  return bytes;
}

/** Finds `a` and `b`, or `a` alone in their place if the volume begins with a 1. */
function devices(a: MemoryFilesystem, b: MemoryFilesystem): FindDevices {
  return async (volumes) => {
    const [whole] = volumes.map(({ source }) => source);
    if (whole === undefined) return [];
    const first = Buffer.alloc(1);
    await whole.read(first, 0);
    const at = (start: number, sizeBytes = DEVICE_BYTES): WindowSource => new WindowSource(whole, start, sizeBytes);
    const device = (
      name: string,
      source: WindowSource,
      filesystem: MemoryFilesystem,
    ): Awaited<ReturnType<FindDevices>> => [
      { name, sizeBytes: source.sizeBytes, source, open: () => Promise.resolve({ filesystem }) },
    ];
    if (first[0] === 1) return device('a', at(DEVICE_BYTES), a);
    return [...device('a', at(0), a), ...device('b', at(DEVICE_BYTES), b)];
  };
}

interface Walked {
  readonly a: number;
  readonly b: number;
}

/** How many files were looked at in each device when two volumes are compared. */
async function walked(t: Test, before: Buffer, after: Buffer, Kind = MemoryFilesystem): Promise<Walked> {
  const [a, b] = [new Kind({ 1: directory({ x: 2 }), 2: inlineFile('x') }), new Kind({ 1: directory({ y: 2 }) })];
  const lab = await FilesLab.open(t, { find: devices(a, b) });
  const [from, to] = [await lab.backUp(before), await lab.backUp(after)];
  await lab.diff(from, to);
  return { a: a.stats, b: b.stats };
}

t.test('a device whose bytes are as they were is not walked', async (t) => {
  t.match(await walked(t, volume(1, 2), volume(1, 3)), { a: 0, b: Number });
  const { a, b } = await walked(t, volume(1, 2), volume(3, 2));
  t.ok(a > 0);
  t.equal(b, 0);
  t.same(await walked(t, volume(1, 2), volume(1, 2)), { a: 0, b: 0 });
});

t.test('one that stands elsewhere is, though nothing changed there', async (t) => {
  const [before, after] = [volume(1, 1), volume(1, 1)];
  after[0] = 1;
  t.ok((await walked(t, before, after)).a > 0);
});

t.test('one of several that may make up a file system is, if any of them changed', async (t) => {
  t.ok((await walked(t, volume(1, 2), volume(1, 3), BtrfsLike)).a > 0);
});
