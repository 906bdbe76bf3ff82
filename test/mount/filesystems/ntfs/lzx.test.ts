import t from 'tap';
import { decompressLzx } from '../../../../mount/filesystems/ntfs/lzx.js';
import { BitWriter } from '../../../kit/bit-writer.js';
import { Random } from '../../../kit/random.js';
import { number32 } from '../../../kit/filesystems/ntfs-values.js';

const DAMAGED = { code: 'FILESYSTEM_DAMAGED' };

/** A block that is stored as it is: bits to the next word, the last three offsets, the bytes. */
function storedBlock(content: Buffer, offsets = [1, 1, 1]): Buffer {
  const header = new BitWriter().bits(3, 3).bits(0, 1).bits(content.length, 16).words();
  const padding = Buffer.alloc(content.length % 2);
  return Buffer.concat([header, ...offsets.map(number32), content, padding]);
}

t.test('stored blocks, of even and odd lengths', async (t) => {
  const random = new Random(3);
  const [one, two, three] = [random.bytes(301), random.bytes(64), random.bytes(7)];
  const target = Buffer.alloc(372);
  decompressLzx(Buffer.concat([storedBlock(one), storedBlock(two), storedBlock(three)]), target);
  t.ok(target.equals(Buffer.concat([one, two, three])));
});

t.test('a stored block of the usual size', async (t) => {
  // 3 + 1 bits, and a block of 32 KiB by its one bit: 12 bits are left of the word, which are thrown away.
  const content = new Random(5).bytes(32_768);
  const header = new BitWriter().bits(3, 3).bits(1, 1).words();
  const target = Buffer.alloc(32_768);
  decompressLzx(Buffer.concat([header, ...[1, 1, 1].map(number32), content]), target);
  // Those that look like calls are others.
  let same = 0;
  for (let at = 0; at < target.length; at++) if (target[at] === content[at]) same += 1;
  t.ok(same > 32_000, `${same} bytes are the same`);
});

t.test('targets of calls become relative again', async (t) => {
  const content = Buffer.alloc(64, 0x90);
  const put = (at: number, target: number): void => {
    content.writeUInt8(0xe8, at);
    content.writeInt32LE(target, at + 1);
  };
  put(5, 1000);
  put(20, -10);
  put(30, 12_000_000);
  put(40, -100);
  // Too near to the end.
  put(54, 1000);
  const target = Buffer.alloc(64);
  decompressLzx(storedBlock(content), target);
  const found = [5, 20, 30, 40, 54].map((at) => target.readInt32LE(at + 1));
  t.same(found, [995, 11_999_990, 12_000_000, -100, 1000]);
});

t.test('what makes no sense is an error', async (t) => {
  const target = Buffer.alloc(100);
  for (const input of [
    Buffer.alloc(0),
    Buffer.alloc(100),
    storedBlock(Buffer.alloc(200)),
    storedBlock(Buffer.alloc(90)).subarray(0, 60),
    new BitWriter().bits(7, 3).bits(0, 1).bits(100, 16).words(),
    // All codes of the code for lengths have one bit.
    Buffer.concat([new BitWriter().bits(1, 3).bits(0, 1).bits(100, 16).words(), Buffer.alloc(60, 0x11)]),
  ]) {
    t.throws(() => {
      decompressLzx(input, target);
    }, DAMAGED);
  }
  const random = new Random(11);
  for (let turn = 0; turn < 300; turn++) {
    try {
      decompressLzx(random.bytes(random.below(300)), target);
    } catch (error) {
      t.match(error, DAMAGED);
    }
  }
});
