import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { BLOCK_BYTES, ObjectType } from '../../../src/codec/formats.js';
import { encodeFrame } from '../../../src/codec/frame.js';
import { FrameSeal } from '../../../src/codec/frame-seal.js';
import { makeCompressor } from '../../../src/codec/compression.js';
import { UmbraError } from '../../../src/common/errors.js';
import { readFrames } from '../../../src/protocol/frames.js';
import type { Caller } from '../../../src/server/caller.js';
import { ObjectBudget, sendObjects, type SendObjectsOptions } from '../../../src/server/send-objects.js';
import type { FrameResult, ObjectReader } from '../../../src/store/object-reader.js';
import { until } from '../../kit/api-client.js';
import { testKeys } from '../../kit/sealed.js';
import { ManualClock } from '../../kit/manual-clock.js';

const ANNA: Caller = { role: 'administrator', name: 'anna' };
const LARGEST = Buffer.alloc(64 * BLOCK_BYTES, 1);

interface Sending {
  readonly stream: PassThrough;
  readonly clock: ManualClock;
  /** How many objects were read from the store. */
  readonly read: () => number;
  readonly done: Promise<void>;
}

function send(
  count: number,
  budget: ObjectBudget,
  result: () => FrameResult,
  checked = false,
  seal?: FrameSeal,
): Sending {
  const stream = new PassThrough();
  const clock = new ManualClock(0);
  let read = 0;
  const reader: ObjectReader = {
    readFrames: (_type, digests) => {
      read += digests.length;
      return Promise.resolve(digests.map(result));
    },
    read: () => Promise.reject(new Error('not used')),
    has: () => Promise.reject(new Error('not used')),
    reportDamage: (_type, _digest, reason) => Promise.resolve(new UmbraError('STORE_DAMAGED', `noted: ${reason}`)),
  };
  const options: SendObjectsOptions = {
    // It has all that is used of one.
    response: stream as unknown as ServerResponse,
    reader,
    seal,
    type: ObjectType.chunk,
    digests: Array.from({ length: count }, () => Buffer.alloc(32)),
    checked,
    caller: ANNA,
    budget,
    clock,
    gone: new AbortController().signal,
  };
  return { stream, clock, read: () => read, done: sendObjects(options) };
}

async function headers({ stream }: Sending): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const { header } of readFrames(stream)) all.push(header);
  return all;
}

void t.test('only so much is in memory as a client takes, and one that takes nothing is cut off', async (t) => {
  const budget = new ObjectBudget();
  const sendings = Array.from({ length: 12 }, () => send(256, budget, () => ({ frame: LARGEST })));
  const total = (): number => sendings.reduce((sum, { read }) => sum + read(), 0);
  await until(() => total() === 7 * 8);
  await new Promise(setImmediate);
  t.equal(total(), 7 * 8, 'one caller has 16 MiB, however many requests he sends');
  const other = send(1, budget, () => ({ frame: LARGEST }));
  for (const { clock } of sendings) clock.advance(60_000);
  await until(() => sendings.filter(({ stream }) => stream.destroyed).length === 7);
  const [slow] = sendings.slice(7);
  if (slow === undefined) throw new Error('nobody waits');
  await until(() => slow.read() === 8);
  t.same((await headers(slow)).length, 257, 'who takes what he is sent gets all of it');
  t.same((await headers(other)).at(-1), { end: true });
  for (const { stream } of sendings) stream.resume();
  await Promise.all(sendings.map(({ done }) => done));
});

void t.test('what is damaged is noted when it is looked at, and what fails is said at the end', async (t) => {
  const budget = new ObjectBudget();
  const plain = send(1, budget, () => ({ frame: Buffer.from('broken') }));
  t.same(await headers(plain), [{ object: 0 }, { end: true }]);
  const checked = send(1, budget, () => ({ frame: Buffer.from('broken') }), true);
  t.match(await headers(checked), [{ object: 0, fault: /noted: the record is too short/ }, { end: true }]);
  const failing = send(9, budget, () => {
    throw new UmbraError('STORE_FAILED', 'the disk is broken');
  });
  t.match(await headers(failing), [{ error: { code: 'STORE_FAILED' } }]);
  const defect = send(1, budget, () => ({ frame: LARGEST }), true);
  t.match(await headers(defect), [{ object: 0, fault: /noted/ }, { end: true }]);
});

void t.test(
  'clients elsewhere get frames that are open; a seal that is broken is noted when it is looked at',
  async (t) => {
    const budget = new ObjectBudget();
    const seal = new FrameSeal(testKeys().frames);
    // The digest that `send` asks for is of nothing.
    const digest = Buffer.alloc(32);
    const frame = encodeFrame(ObjectType.chunk, LARGEST, makeCompressor({ codec: 'zstd', level: 1 }), digest);
    const sealed = seal.seal(frame, ObjectType.chunk, digest);
    const { stream } = send(1, budget, () => ({ frame: sealed }), false, seal);
    const bodies: Buffer[] = [];
    for await (const { body } of readFrames(stream)) bodies.push(Buffer.from(body));
    t.same(bodies[0], frame);
    const broken = Buffer.from(sealed).fill(1, 100, 101);
    const unchecked = send(1, budget, () => ({ frame: broken }), false, seal);
    t.same(await headers(unchecked), [{ object: 0, fault: 'the checksum is wrong' }, { end: true }]);
    const checked = send(1, budget, () => ({ frame: broken }), true, seal);
    t.same(await headers(checked), [{ object: 0, fault: 'noted: the checksum is wrong' }, { end: true }]);
    const missing = send(1, budget, () => ({ fault: 'it is not in the index' }), true, seal);
    t.same(await headers(missing), [{ object: 0, fault: 'it is not in the index' }, { end: true }]);
  },
);
