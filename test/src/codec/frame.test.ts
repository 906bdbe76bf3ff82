import t from 'tap';
import { makeCompressor } from '../../../src/codec/compression.js';
import { digestOf } from '../../../src/codec/digest.js';
import { Codec, FRAME, MAX_OBJECT_BYTES, ObjectType } from '../../../src/codec/formats.js';
import {
  decodeBody,
  decodeFrame,
  decodeFrameInto,
  encodeFrame,
  encodeFrameInto,
  frameBound,
  FrameError,
  readFrameHeader,
} from '../../../src/codec/frame.js';
import { xxh64 } from '../../../src/codec/xxhash.js';
import { bytes } from '../../kit/bytes.js';
import { Random, testSeed } from '../../kit/random.js';

const COMPRESSORS = [makeCompressor({ codec: 'zstd', level: 1 }), makeCompressor({ codec: 'lz4', level: 1 })];
const [ZSTD] = COMPRESSORS as [(typeof COMPRESSORS)[number]];
const PLAIN = bytes('umbra'.repeat(30));

// Made by the first release: as long as format version 1 is read, these must decode.
const FROZEN = [
  [
    Codec.zstd,
    ObjectType.chunk,
    PLAIN,
    '8191800afbd94c5e554d424f010101000d56abe3b53c349309f46c0b17065106a58e36dde5a1cf8e8045b091842fd53b960000001500000028b52ffd209665000028756d62726101000e50450b',
  ],
  [
    Codec.lz4,
    ObjectType.chunk,
    PLAIN,
    '170e0c9d235cc996554d424f010102000d56abe3b53c349309f46c0b17065106a58e36dde5a1cf8e8045b091842fd53b960000000f0000005f756d62726105007950756d627261',
  ],
  [
    Codec.none,
    ObjectType.record,
    bytes('shadow'),
    'dda51ee2a58b656f554d424f01040000b56b38d09a5e94f487c6861b957071e230b9a77b781b543f3dbe791c456653140600000006000000736861646f77',
  ],
] as const;

/** `frame` with another header field, and a checksum that is right for it. */
function forged(frame: Buffer, change: (frame: Buffer) => void): Buffer {
  const copy = Buffer.from(frame);
  change(copy);
  copy.writeBigUInt64LE(xxh64(copy.subarray(8)), 0);
  return copy;
}

t.test('frames of the first release', (t) => {
  for (const [codec, type, plain, hex] of FROZEN) {
    const frame = Buffer.from(hex, 'hex');
    t.equal(readFrameHeader(frame).codec, codec);
    t.ok(decodeFrame(frame, { type, digest: digestOf(plain) }).equals(plain));
  }
  t.end();
});

t.test('what was put in comes out, and says what it is', (t) => {
  const random = new Random(testSeed(t));
  for (const compressor of COMPRESSORS) {
    for (const length of [0, 1, 100, 4096, 262144]) {
      for (const plain of [random.bytes(length), Buffer.alloc(length, 'ab')]) {
        const frame = encodeFrame(ObjectType.leaf, plain, compressor);
        const shrinks = frame.length < FRAME.headerBytes + length;
        const header = readFrameHeader(frame);
        t.match(header, { type: ObjectType.leaf, codec: shrinks ? compressor.codec : Codec.none, plainBytes: length });
        t.same(header.digest, digestOf(plain));
        t.ok(frame.length <= FRAME.headerBytes + length, 'a frame is never longer than its plain object and header');
        t.ok(decodeBody(frame, header).equals(plain));
        t.ok(decodeFrame(frame, { type: ObjectType.leaf, digest: digestOf(plain) }).equals(plain));
      }
    }
  }
  t.end();
});

t.test('frames are written one behind the other; without room to compress they are stored as they are', (t) => {
  const random = new Random(testSeed(t));
  for (const compressor of COMPRESSORS) {
    const plains = [Buffer.alloc(4096, 'x'), random.bytes(4096), Buffer.alloc(4096, 'y'), random.bytes(4096)];
    const target = Buffer.from(new SharedArrayBuffer(4 * (4096 + FRAME.headerBytes)));
    let at = 0;
    for (const plain of plains) {
      const digest = digestOf(plain);
      const length = encodeFrameInto(target, at, { type: ObjectType.chunk, digest, plain }, compressor);
      t.ok(decodeFrame(target.subarray(at, at + length), { type: ObjectType.chunk, digest }).equals(plain));
      t.ok(length <= frameBound(compressor, plain.length));
      at += length;
    }
    const exact = Buffer.alloc(FRAME.headerBytes + 4096);
    const [, plain = PLAIN] = plains;
    t.equal(
      encodeFrameInto(exact, 0, { type: ObjectType.chunk, digest: digestOf(plain), plain }, compressor),
      exact.length,
    );
  }
  t.end();
});

t.test('every flipped bit and every truncation is refused', (t) => {
  for (const [, type, plain, hex] of FROZEN) {
    const frame = Buffer.from(hex, 'hex');
    const name = { type, digest: digestOf(plain) };
    let refused = 0;
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const flipped = Buffer.from(frame);
      flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      refused += refusal(() => decodeFrame(flipped, name)) === undefined ? 0 : 1;
    }
    t.equal(refused, frame.length * 8);
    for (let length = 0; length < frame.length; length++) {
      if (refusal(() => decodeFrame(frame.subarray(0, length), name)) === undefined)
        t.fail(`${length} bytes are taken`);
    }
    t.throws(() => decodeFrame(Buffer.concat([frame, bytes('x')]), name), FrameError);
  }
  t.end();
});

t.test('a body that is damaged in a frame with a right checksum gives no wrong bytes', (t) => {
  const random = new Random(testSeed(t));
  const name = { type: ObjectType.chunk, digest: digestOf(PLAIN) };
  for (const compressor of COMPRESSORS) {
    const frame = encodeFrame(ObjectType.chunk, PLAIN, compressor);
    for (let bit = FRAME.headerBytes * 8; bit < frame.length * 8; bit++) {
      const damaged = forged(frame, (copy) => (copy[bit >>> 3] = (copy[bit >>> 3] ?? 0) ^ (1 << (bit & 7))));
      const target = Buffer.alloc(4096);
      let length = 0;
      // Some bits of a compressed body say nothing about the content.
      if (refusal(() => (length = decodeFrameInto(target, damaged, name))) !== undefined) continue;
      if (!target.subarray(0, length).equals(PLAIN)) t.fail(`bit ${bit} gives other bytes`);
    }
    for (let round = 0; round < 100; round++) {
      const damaged = forged(frame, (copy) => {
        copy.set(random.bytes(copy.length - FRAME.headerBytes), FRAME.headerBytes);
      });
      t.throws(() => decodeFrame(damaged, name), FrameError);
    }
  }
  t.end();
});

t.test('another object is refused', (t) => {
  const frame = encodeFrame(ObjectType.chunk, PLAIN, ZSTD);
  const refuse = (type: ObjectType, digest: Uint8Array): void => {
    t.throws(() => decodeFrame(frame, { type, digest }), { message: 'another object stands in its place' });
  };
  refuse(ObjectType.leaf, digestOf(PLAIN));
  refuse(ObjectType.chunk, digestOf(bytes('else')));
  const lie = encodeFrame(ObjectType.chunk, PLAIN, ZSTD, digestOf(bytes('else')));
  t.throws(() => decodeFrame(lie, { type: ObjectType.chunk, digest: digestOf(bytes('else')) }), {
    message: 'the digest is wrong',
  });
  t.end();
});

t.test('headers that cannot be are refused, each with its reason', (t) => {
  const frame = encodeFrame(ObjectType.chunk, PLAIN, ZSTD);
  const expect = (message: string, change: (frame: Buffer) => void): void => {
    t.throws(() => readFrameHeader(forged(frame, change)), { name: 'FrameError', message });
  };
  t.throws(() => readFrameHeader(frame.subarray(0, 55)), { message: 'the record is too short' });
  t.throws(() => readFrameHeader(Buffer.alloc(frame.length)), { message: 'the checksum is wrong' });
  expect('the magic number is wrong', (copy) => copy.writeUInt32LE(1, 8));
  expect('frame version 2 is not known', (copy) => (copy[12] = 2));
  expect('object type 0 is not known', (copy) => (copy[13] = 0));
  expect('object type 99 is not known', (copy) => (copy[13] = 99));
  expect('codec 3 is not known', (copy) => (copy[14] = 3));
  expect(`a length of ${MAX_OBJECT_BYTES + 1} bytes is not possible`, (copy) =>
    copy.writeUInt32LE(MAX_OBJECT_BYTES + 1, 48),
  );
  expect('the length is wrong', (copy) => copy.writeUInt32LE(1, 52));
  t.end();
});

t.test('a length that the body does not have, or the target has no room for, is refused', (t) => {
  const name = { type: ObjectType.chunk, digest: digestOf(PLAIN) };
  for (const compressor of COMPRESSORS) {
    const frame = encodeFrame(ObjectType.chunk, PLAIN, compressor);
    for (const length of [0, PLAIN.length - 1, PLAIN.length + 1, MAX_OBJECT_BYTES]) {
      t.throws(
        () =>
          decodeFrame(
            forged(frame, (copy) => copy.writeUInt32LE(length, 48)),
            name,
          ),
        FrameError,
      );
    }
    t.throws(() => decodeFrameInto(Buffer.alloc(PLAIN.length - 1), frame, name), { message: /more than its place/ });
  }
  t.end();
});

/** What `work` was refused with; anything but a FrameError is thrown on. */
function refusal(work: () => unknown): FrameError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof FrameError) return error;
    throw error;
  }
}
