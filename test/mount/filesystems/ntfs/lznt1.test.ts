import t from 'tap';
import { decompressLznt1 } from '../../../../mount/filesystems/ntfs/lznt1.js';
import { Random } from '../../../kit/random.js';

const DAMAGED = { code: 'FILESYSTEM_DAMAGED' };

function expand(input: Buffer, length: number): Buffer {
  const target = Buffer.alloc(length, 0xee);
  decompressLznt1(input, target);
  return target;
}

t.test('chunks that are stored, compressed, and not there', async (t) => {
  const stored = new Random(4).bytes(4096);
  // "abc" and a match of it, which overlaps itself.
  const token = ((3 - 1) << 12) | (297 - 3);
  const compressed = Buffer.from([0x05, 0xb0, 0b1000, 97, 98, 99, token & 0xff, token >> 8]);
  const input = Buffer.concat([Buffer.of(0xff, 0x3f), stored, compressed, Buffer.of(0, 0, 9, 9)]);
  const output = expand(input, 3 * 4096);
  t.ok(output.subarray(0, 4096).equals(stored));
  t.ok(output.subarray(4096, 4396).equals(Buffer.alloc(300, 'abc')));
  t.ok(output.subarray(4396).every((byte) => byte === 0));
  t.ok(expand(input, 100).equals(stored.subarray(0, 100)), 'no more than there is room for');
});

t.test('what makes no sense is an error', async (t) => {
  for (const input of [
    Buffer.from([0xff, 0x3f, 1, 2, 3]),
    Buffer.from([0x01, 0xb0, 0b1, 0]),
    Buffer.from([0x02, 0xb0, 0b1, 0, 0]),
  ]) {
    t.throws(() => expand(input, 4096), DAMAGED);
  }
});
