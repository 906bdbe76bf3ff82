import { deflateSync } from 'node:zlib';
import t from 'tap';
import { decompress } from '../../../../mount/filesystems/btrfs/compression.js';
import { lzo1xInto } from '../../../../mount/filesystems/btrfs/lzo.js';
import { makeCompressor } from '../../../../src/codec/compression.js';
import { Random } from '../../../kit/random.js';

const DAMAGED = { code: 'FILESYSTEM_DAMAGED' };
const [ZLIB, LZO, ZSTD] = [1, 2, 3] as const;

/** An LZO extent of one sector whose stream is given. */
function lzoExtent(stream: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 + stream.length);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(stream.length, 4);
  bytes.set(stream, 8);
  return bytes;
}

const END = [0x11, 0, 0];

t.test('what is shorter than it should be is filled up with zeros', async (t) => {
  const text = Buffer.from('some text, '.repeat(30));
  const expected = Buffer.concat([text], 4096);
  t.same(decompress(ZLIB, Buffer.concat([deflateSync(text), Buffer.alloc(100)]), 4096, 4096), expected);
  const target = Buffer.alloc(1000);
  const length = makeCompressor({ codec: 'zstd', level: 3 }).compressInto(target, text);
  t.same(decompress(ZSTD, target.subarray(0, length + 50), 4096, 4096), expected);
  t.same(decompress(LZO, lzoExtent([17 + 3, 1, 2, 3, ...END]), 16, 4096), Buffer.concat([Buffer.of(1, 2, 3)], 16));
});

t.test('what makes no sense, or makes too much, is damage', async (t) => {
  const much = deflateSync(Buffer.alloc(10_000));
  for (const kind of [ZLIB, LZO, ZSTD, 4]) {
    t.throws(() => decompress(kind, Buffer.alloc(100, 0xee), 4096, 4096), DAMAGED);
    t.throws(() => decompress(kind, Buffer.alloc(1), 4096, 4096), DAMAGED);
  }
  t.throws(() => decompress(ZLIB, much, 4096, 4096), DAMAGED);
  t.throws(() => decompress(ZLIB, much.subarray(0, 20), 20_000, 4096), DAMAGED);
  const target = Buffer.alloc(1000);
  const length = makeCompressor({ codec: 'zstd', level: 3 }).compressInto(target, Buffer.alloc(10_000));
  t.throws(() => decompress(ZSTD, target.subarray(0, length), 4096, 4096), DAMAGED);
  const cutOff = lzoExtent([1, 2, 3]);
  cutOff.writeUInt32LE(4, 4);
  t.throws(() => decompress(LZO, cutOff, 4096, 4096), DAMAGED);
});

t.test('LZO: every instruction', async (t) => {
  const target = Buffer.alloc(70_000);
  const made = (stream: readonly number[]): string => {
    const length = lzo1xInto(target, Buffer.from(stream));
    return target.toString('latin1', 0, length);
  };
  const abcd = [17 + 4, 0x61, 0x62, 0x63, 0x64];
  t.equal(made([...abcd, ...END]), 'abcd');
  t.equal(made([...abcd, 0x40 | (3 << 2), 0, ...END]), 'abcdabc', 'three bytes from four back');
  t.equal(made([...abcd, 0xe0 | (3 << 2), 0, ...END]), 'abcdabcdabcd', 'eight bytes that overlap');
  t.equal(made([...abcd, 0x20 | 4, 3 << 2, 0, ...END]), 'abcdabcdab', 'six bytes');
  t.equal(made([...abcd, 0x40 | (3 << 2) | 1, 0, 0x65, (2 << 2) | 0, 0, ...END]), 'abcdabcebc', 'two bytes');
  const run = Array.from({ length: 2100 }, (_, index) => 0x61 + (index % 26));
  const long = [0, ...new Array<number>(8).fill(0), 2100 - 18 - 8 * 255, ...run];
  t.equal(
    made([...long, 0, 10, ...END]).slice(2100),
    String.fromCharCode(...run.slice(2100 - 2049 - 40, 2100 - 2049 - 37)),
  );
  const far = [0x20, ...new Array<number>(100).fill(0), 200, 3 << 2, 0];
  const content = made([...abcd, ...far, 0x12, 4, 0, ...END]);
  t.equal(content.length, 4 + 100 * 255 + 200 + 33 + 4, 'a long match, and one from more than 16 KiB back');
  t.equal(made([17 + 1, 0x61, ...END]), 'a');
});

t.test('LZO: nothing outside is read or written', async (t) => {
  const random = new Random(1);
  let errors = 0;
  for (let run = 0; run < 3000; run++) {
    const target = Buffer.alloc(random.below(300));
    try {
      t.ok(lzo1xInto(target, random.bytes(random.below(60))) <= target.length);
    } catch (error) {
      errors++;
      if (!(error instanceof Error && 'code' in error && error.code === 'FILESYSTEM_DAMAGED')) throw error;
    }
  }
  t.ok(errors > 1000);
  t.throws(() => lzo1xInto(Buffer.alloc(9), Buffer.from([0x15, 1, 2, 3, 4, 0x12, 0, 0])), DAMAGED);
});
