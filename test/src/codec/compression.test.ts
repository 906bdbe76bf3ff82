import t from 'tap';
import { decompressInto, makeCompressor, type CompressionSettings } from '../../../src/codec/compression.js';
import { Codec } from '../../../src/codec/formats.js';
import { bytes } from '../../kit/bytes.js';
import { Random, testSeed } from '../../kit/random.js';

const SETTINGS: readonly CompressionSettings[] = [
  { codec: 'zstd', level: 1 },
  { codec: 'zstd', level: 3 },
  { codec: 'zstd', level: 19 },
  { codec: 'lz4', level: 1 },
];

/** Content that shrinks about as much as a disk's does. */
function mixed(random: Random, length: number): Buffer {
  const content = Buffer.alloc(length);
  for (let at = 0; at < length; at += 256) {
    const part = random.chance(0.5) ? random.bytes(256) : bytes('the quick brown fox '.repeat(13));
    content.set(part.subarray(0, Math.min(256, length - at)), at);
  }
  return content;
}

t.test('a thread has one of each kind: nobody gives the memory of the library back', (t) => {
  for (const settings of SETTINGS) t.equal(makeCompressor({ ...settings }), makeCompressor(settings));
  t.equal(new Set(SETTINGS.map((settings) => makeCompressor(settings))).size, SETTINGS.length);
  t.end();
});

function compress(settings: CompressionSettings, plain: Buffer): Buffer {
  const compressor = makeCompressor(settings);
  const target = Buffer.alloc(compressor.bound(plain.length));
  const length = compressor.compressInto(target, plain);
  return target.subarray(0, length);
}

for (const settings of SETTINGS) {
  const { codec, level } = settings;
  t.test(`${codec} level ${level}: what was compressed comes back`, (t) => {
    const random = new Random(testSeed(t));
    for (const length of [1, 2, 100, 4096, 65536, 262144]) {
      for (const plain of [Buffer.alloc(length), random.bytes(length), mixed(random, length)]) {
        const body = compress(settings, plain);
        t.ok(body.length > 0, 'the bound suffices');
        const back = Buffer.alloc(length, 0xee);
        t.ok(decompressInto(Codec[codec], back, body));
        t.ok(back.equals(plain), `${length} bytes`);
      }
    }
    t.end();
  });

  t.test(`${codec} level ${level}: a target without room gets nothing`, (t) => {
    const random = new Random(testSeed(t));
    const plain = mixed(random, 65536);
    const body = compress(settings, plain);
    const compressor = makeCompressor(settings);
    for (const room of [0, 1, 100, body.length - 64]) {
      const memory = Buffer.alloc(room + 64, 0xee);
      t.equal(compressor.compressInto(memory.subarray(0, room), plain), 0, `${room} bytes`);
      t.ok(
        memory.subarray(room).every((byte) => byte === 0xee),
        'nothing is written behind it',
      );
    }
    t.equal(compressor.compressInto(Buffer.alloc(body.length + 64), plain) > 0, true, 'and it goes on working');
    t.end();
  });

  t.test(`${codec} level ${level}: damaged bodies neither crash nor write behind the target`, (t) => {
    const random = new Random(testSeed(t));
    const plain = mixed(random, 1500);
    const body = compress(settings, plain);
    const memory = Buffer.alloc(plain.length + 64);
    const decompress = (damaged: Buffer): boolean => {
      memory.fill(0xee);
      const succeeded = decompressInto(Codec[codec], memory.subarray(0, plain.length), damaged);
      if (!memory.subarray(plain.length).every((byte) => byte === 0xee)) t.fail('wrote behind the target');
      return succeeded;
    };
    for (let length = 0; length < body.length; length++) {
      if (decompress(body.subarray(0, length))) t.fail(`${length} of ${body.length} bytes suffice`);
    }
    for (let bit = 0; bit < body.length * 8; bit++) {
      const flipped = Buffer.from(body);
      flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      decompress(flipped);
    }
    for (let round = 0; round < 200; round++) decompress(random.bytes(random.between(0, 400)));
    t.ok(decompress(body), 'and the right one still works');
    t.ok(memory.subarray(0, plain.length).equals(plain));
    t.end();
  });

  t.test(`${codec} level ${level}: the target must come out full, and no more`, (t) => {
    const body = compress(settings, Buffer.alloc(1000, 7));
    for (const length of [0, 1, 999, 1001, 5000])
      t.notOk(decompressInto(Codec[codec], Buffer.alloc(length), body), `${length} bytes`);
    t.ok(decompressInto(Codec[codec], Buffer.alloc(1000), body));
    t.end();
  });
}

t.test('an uncompressed body is copied, if its length is right', (t) => {
  const target = Buffer.alloc(3);
  t.ok(decompressInto(Codec.none, target, bytes('abc')));
  t.equal(target.toString(), 'abc');
  t.notOk(decompressInto(Codec.none, target, bytes('ab')));
  t.notOk(decompressInto(Codec.none, target, bytes('abcd')));
  t.end();
});

t.test('shared memory is compressed from and into', (t) => {
  for (const settings of SETTINGS) {
    const shared = Buffer.from(new SharedArrayBuffer(16384));
    shared.fill('shadow copy ', 0, 4096);
    const length = makeCompressor(settings).compressInto(shared.subarray(4096, 12288), shared.subarray(0, 4096));
    t.ok(length > 0 && length < 4096);
    t.ok(decompressInto(Codec[settings.codec], shared.subarray(12288), shared.subarray(4096, 4096 + length)));
    t.ok(shared.subarray(12288).equals(shared.subarray(0, 4096)));
  }
  t.end();
});
