import t from 'tap';
import { decompressXpress } from '../../../../mount/filesystems/ntfs/xpress.js';
import { BitWriter } from '../../../kit/bit-writer.js';
import { Random } from '../../../kit/random.js';
import { number32 } from '../../../kit/filesystems/ntfs-values.js';

const DAMAGED = { code: 'FILESYSTEM_DAMAGED' };

/** The lengths of codes as a block begins with them, from [symbol, length]. */
function lengths(codes: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.alloc(256);
  for (const [symbol, length] of codes) {
    const byte = bytes[symbol >> 1] ?? 0;
    bytes[symbol >> 1] = byte | (symbol % 2 === 0 ? length : length << 4);
  }
  return bytes;
}

t.test('letters alone', async (t) => {
  const letters = Array.from({ length: 26 }, (_, index) => 97 + index);
  // 6 codes of four bits, 20 codes of five, and the end.
  const codes = letters.map((letter, index) => [letter, index < 5 ? 4 : 5] as const);
  const all = [...codes, [256, 5] as const];
  const writer = new BitWriter();
  for (let index = 0; index < 26; index++) writer.bits(index < 5 ? index : index + 5, index < 5 ? 4 : 5);
  const target = Buffer.alloc(26);
  decompressXpress(Buffer.concat([lengths(all), writer.words(), Buffer.alloc(4)]), target);
  t.equal(target.toString('latin1'), 'abcdefghijklmnopqrstuvwxyz');
});

/** "abc" and a match of the last three bytes whose length does not fit in its symbol. */
function longMatch(extra: Buffer): Buffer {
  // Symbols 'a', 'b', 'c' and a match with 2^1 + one bit of offset and the longest length.
  const codes = lengths([97, 98, 99, 256 + 0x1f].map((symbol) => [symbol, 2] as const));
  const words = new BitWriter().bits(0, 2).bits(1, 2).bits(2, 2).bits(3, 2).bits(1, 1).words();
  // Two words are taken before the bytes between them.
  return Buffer.concat([codes, words, Buffer.alloc(2), extra, Buffer.alloc(4)]);
}

t.test('lengths of one, two and four bytes', async (t) => {
  const lengthsOf: readonly (readonly [number, Buffer])[] = [
    [15 + 3 + 200, Buffer.of(200)],
    [3000 + 3, Buffer.concat([Buffer.of(255), Buffer.of(3000 & 255, 3000 >> 8)])],
    [60_000 + 3, Buffer.concat([Buffer.of(255, 0, 0), number32(60_000)])],
  ];
  for (const [length, extra] of lengthsOf) {
    const target = Buffer.alloc(length + 3);
    decompressXpress(longMatch(extra), target);
    t.ok(target.equals(Buffer.alloc(length + 3, 'abc')), `${length} bytes`);
    t.throws(() => {
      decompressXpress(longMatch(extra), target.subarray(1));
    }, DAMAGED);
  }
});

t.test('what makes no sense is an error', async (t) => {
  const target = Buffer.alloc(100);
  for (const input of [
    Buffer.alloc(0),
    Buffer.alloc(255),
    Buffer.alloc(300),
    Buffer.alloc(300, 0x11),
    longMatch(Buffer.alloc(0)),
  ]) {
    t.throws(() => {
      decompressXpress(input.subarray(0, 258), target);
    }, DAMAGED);
  }
  const random = new Random(12);
  for (let turn = 0; turn < 300; turn++) {
    try {
      decompressXpress(random.bytes(random.below(600)), target);
    } catch (error) {
      t.match(error, DAMAGED);
    }
  }
});
