import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { BodyMemory } from '../../../src/protocol/body-memory.js';
import { encodeFrame, MAX_BODY_BYTES, readFrames } from '../../../src/protocol/frames.js';
import { Random } from '../../kit/random.js';

const BODIES = [0, 1, 7, 8, 9, 100_000, 3, 65_536, 0, 1_000_000];

function frames(): { readonly bodies: readonly Buffer[]; readonly bytes: Buffer } {
  const bodies = BODIES.map((length) => randomBytes(length));
  return { bodies, bytes: Buffer.concat(bodies.flatMap((body, index) => encodeFrame({ index }, body))) };
}

function inPieces(bytes: Buffer, most: number): Readable {
  const random = new Random(most);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length;) pieces.push(bytes.subarray(at, (at += 1 + random.below(most))));
  return Readable.from(pieces, { objectMode: false });
}

t.test('frames come out as they went in, in whatever pieces they come', async (t) => {
  const { bodies, bytes } = frames();
  for (const most of [1000, 16_384, 5_000_000]) {
    const read: Buffer[] = [];
    for await (const { header, body } of readFrames(inPieces(bytes, most))) {
      t.strictSame(header, { index: read.length });
      read.push(body);
    }
    t.strictSame(read, bodies, `pieces of up to ${most} bytes`);
  }
});

t.test('a body is read into the memory that it was given, which is used again', async (t) => {
  const bodies = [randomBytes(MAX_BODY_BYTES), randomBytes(MAX_BODY_BYTES - 1), randomBytes(10)];
  const memory = new BodyMemory();
  const buffers = new Set<ArrayBufferLike>();
  const stream = inPieces(Buffer.concat(bodies.flatMap((body) => encodeFrame({}, body))), 100_000);
  let index = 0;
  for await (const { body } of readFrames(stream, (bytes) => Promise.resolve(memory.take(bytes)))) {
    t.ok(body.equals(bodies[index++] ?? Buffer.alloc(0)));
    buffers.add(body.buffer);
    memory.giveBack(body);
  }
  t.equal(index, 3);
  t.equal(buffers.size, 2, 'the two large ones had the same');
});

t.test('a stream is held back while nobody asks', async (t) => {
  let given = 0;
  const endless = new Readable({
    read() {
      given += 16_384;
      this.push(Buffer.alloc(16_384));
    },
  });
  const reading = readFrames(endless, () => new Promise(() => undefined));
  // Eight zeros are an empty frame, whose header is none.
  await t.rejects(reading.next(), { code: 'BAD_ARGUMENT' });
  const waiting = new PassThrough();
  const frame = encodeFrame({ t: 'x' }, Buffer.alloc(1000));
  for (let index = 0; index < 1000; index++) for (const part of frame) waiting.write(part);
  const first = readFrames(waiting);
  await first.next();
  for (let turn = 0; turn < 20; turn++) await setImmediate();
  t.ok(given < 200_000, `${given} bytes of the endless one`);
  t.ok(waiting.readableLength + waiting.writableLength > 800_000, 'most of the other one still waits');
  endless.destroy();
  waiting.destroy();
});

t.test('a stream that ends in a frame, fails or is gone', async (t) => {
  const { bytes } = frames();
  const all = async (stream: Readable): Promise<number> => {
    let count = 0;
    for await (const _ of readFrames(stream)) count++;
    return count;
  };
  t.equal(await all(Readable.from([])), 0);
  t.equal(await all(Readable.from([bytes])), BODIES.length);
  for (const end of [4, 8, 12, bytes.length - 1]) {
    await t.rejects(all(Readable.from([bytes.subarray(0, end)])), { code: 'SERVER_UNREACHABLE' }, `${end} bytes`);
  }
  const failing = new PassThrough();
  failing.write(bytes.subarray(0, 100));
  const outcome = t.rejects(all(failing), { message: 'cut' });
  await setImmediate();
  failing.destroy(new Error('cut'));
  await outcome;
  const gone = new PassThrough().on('error', () => undefined);
  gone.destroy(new Error('gone before'));
  await setImmediate();
  await t.rejects(all(gone), { message: 'gone before' });
  const closed = new PassThrough();
  closed.destroy();
  await t.rejects(all(closed), 'closed without an end');
});
