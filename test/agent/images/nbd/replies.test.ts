import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import { bitmapContext } from '../../../../agent/images/nbd/constants.js';
import { openNbd, type NbdClient } from '../../../../agent/images/nbd/nbd-client.js';
import { fakeNbdServer, optionReply, packed, replyChunk, type FakeRequest } from '../../../kit/fake-nbd-server.js';

type Answer = (request: FakeRequest, socket: Socket) => void;

async function clientOf(t: Test, request: Answer, timeoutMs = 20_000): Promise<NbdClient> {
  const client = await openNbd({ socketPath: await fakeNbdServer(t, { request }), exportName: '', timeoutMs });
  t.teardown(() => client.close());
  return client;
}

/** Sends chunks, each made from the request. */
function chunks(...make: ((request: FakeRequest) => Buffer)[]): Answer {
  return (request, socket) => socket.write(Buffer.concat(make.map((chunk) => chunk(request))));
}

function data(offset: number, length: number, flags = 1, value = 7): (request: FakeRequest) => Buffer {
  return (request) => replyChunk(request, flags, 1, Buffer.concat([packed([8, offset]), Buffer.alloc(length, value)]));
}

function hole(offset: number, length: number, flags = 1): (request: FakeRequest) => Buffer {
  return (request) => replyChunk(request, flags, 2, packed([8, offset], [4, length]));
}

function status(context: number, ...extents: [number, number][]): (request: FakeRequest) => Buffer {
  const body = extents.flatMap(([length, flags]) => [[4, length] as const, [4, flags] as const]);
  return (request) => replyChunk(request, 1, 5, packed([4, context], ...body));
}

t.test('data and holes fill the buffer from front to back', async (t) => {
  const client = await clientOf(
    t,
    chunks(data(1000, 10, 0), hole(1010, 5, 0), data(1015, 5, 0, 9), (request) =>
      replyChunk(request, 1, 0, Buffer.alloc(0)),
    ),
  );
  const target = Buffer.alloc(20, 1);
  await client.read(target, 1000);
  t.same(target, Buffer.concat([Buffer.alloc(10, 7), Buffer.alloc(5), Buffer.alloc(5, 9)]));
});

t.test('answers may come in any order and in any pieces', async (t) => {
  const held: FakeRequest[] = [];
  const client = await clientOf(t, (request, socket) => {
    held.push(request);
    if (held.length < 3) return;
    const bytes = Buffer.concat(
      held.reverse().map((late) => data(Number(late.offset), 3, 1, Number(late.offset))(late)),
    );
    for (const byte of bytes) socket.write(Buffer.of(byte));
  });
  const targets = [1, 2, 3].map(() => Buffer.alloc(3));
  await Promise.all(targets.map((target, index) => client.read(target, index + 1)));
  t.same(targets, [Buffer.alloc(3, 1), Buffer.alloc(3, 2), Buffer.alloc(3, 3)]);
});

t.test('an error of one request leaves the connection of use', async (t) => {
  const client = await clientOf(t, (request, socket) => {
    const failure = packed([4, 5], [2, 4]);
    if (request.offset === 0n)
      socket.write(replyChunk(request, 1, 0x8001, Buffer.concat([failure, Buffer.from('a\x1bbc')])));
    else socket.write(data(Number(request.offset), request.length)(request));
  });
  await t.rejects(client.read(Buffer.alloc(4), 0), {
    code: 'IMAGE_FAILED',
    message: /could not read 4 bytes at 0: EIO, a\?bc/,
  });
  await client.read(Buffer.alloc(4), 8);
});

t.test('block status: zeros, the last extent cut', async (t) => {
  const client = await clientOf(t, chunks(status(9, [100, 0], [100, 3], [1000, 2])));
  t.same(await client.allocation(0, 300), [
    { length: 100, zero: false },
    { length: 100, zero: true },
    { length: 100, zero: true },
  ]);
});

t.test('servers that break the protocol', async (t) => {
  const simple = (errno: number) => (request: FakeRequest) =>
    Buffer.concat([packed([4, 0x6744_6698], [4, errno]), request.cookie, Buffer.alloc(4)]);
  const cases: [string, (request: FakeRequest) => Buffer, RegExp][] = [
    ['wrong magic', () => Buffer.alloc(20, 1), /wrong magic/],
    [
      'unknown cookie',
      (request) => replyChunk({ ...request, cookie: Buffer.alloc(8, 255) }, 1, 0, Buffer.alloc(0)),
      /no request/,
    ],
    ['oversized data', data(0, 11), /more data/],
    ['a claim of 4 GiB', (request) => replyChunk(request, 1, 1, packed([8, 0]), 2 ** 32 - 1), /more data/],
    ['data of nothing', (request) => replyChunk(request, 1, 1, packed([8, 0])), /without data/],
    ['data elsewhere', data(5, 5), /out of order/],
    [
      'data before the start',
      (request) => replyChunk(request, 1, 1, packed([8, 2n ** 64n - 1n], [2, 0])),
      /out of order/,
    ],
    ['short data', data(0, 9), /less data/],
    ['no data', (request) => replyChunk(request, 1, 0, Buffer.alloc(0)), /less data/],
    ['a hole too long', hole(0, 2 ** 31), /more data/],
    ['a hole of nothing', hole(0, 0), /more data/],
    ['a hole of a wrong length', (request) => replyChunk(request, 1, 2, packed([8, 0])), /wrong length/],
    ['unknown chunk', (request) => replyChunk(request, 1, 77, Buffer.alloc(0)), /unknown type 77/],
    ['empty chunk, not last', (request) => replyChunk(request, 0, 0, Buffer.alloc(0)), /not the last/],
    ['empty chunk with content', (request) => replyChunk(request, 1, 0, Buffer.alloc(1)), /with content/],
    ['simple reply', simple(0), /simple reply/],
    ['status not asked for', status(9, [10, 0]), /not asked for/],
    ['an error without number', (request) => replyChunk(request, 1, 0x8001, packed([4, 0], [2, 0])), /without content/],
    ['an error too short', (request) => replyChunk(request, 1, 0x8001, packed([4, 1])), /wrong length/],
    [
      'an error with a wrong text',
      (request) => replyChunk(request, 1, 0x8001, packed([4, 1], [2, 9])),
      /without content/,
    ],
  ];
  for (const [name, answer, message] of cases) {
    const client = await clientOf(t, chunks(answer));
    await t.rejects(client.read(Buffer.alloc(10), 0), { code: 'IMAGE_FAILED', message }, name);
    await t.rejects(client.read(Buffer.alloc(10), 0), { code: 'IMAGE_FAILED', message }, `${name}, for ever`);
  }
});

t.test('servers that lie about allocation', async (t) => {
  const many = (request: FakeRequest): Buffer => replyChunk(request, 1, 5, Buffer.alloc(2_400_004, 9));
  const cases: [string, (request: FakeRequest) => Buffer, RegExp][] = [
    ['extents of nothing', status(9, [0, 0]), /impossible extents/],
    ['extents beyond', status(9, [100, 0], [1, 0]), /impossible extents/],
    ['no extents', (request) => replyChunk(request, 1, 5, packed([4, 9])), /wrong length/],
    ['half an extent', (request) => replyChunk(request, 1, 5, packed([4, 9], [8, 1], [4, 1])), /wrong length/],
    ['too many', many, /wrong length/],
    ['another context', status(8, [100, 0]), /unknown context/],
    ['nothing', (request) => replyChunk(request, 1, 0, Buffer.alloc(0)), /without extents/],
    [
      'twice',
      (request) =>
        Buffer.concat([replyChunk(request, 0, 5, packed([4, 9], [4, 1], [4, 0])), status(9, [1, 0])(request)]),
      /not asked/,
    ],
    ['data', data(0, 1), /reads nothing/],
  ];
  for (const [name, answer, message] of cases) {
    const client = await clientOf(t, chunks(answer));
    await t.rejects(client.allocation(0, 100), { code: 'IMAGE_FAILED', message }, name);
  }
});

t.test('a flush takes as long as the disk does, and others are late meanwhile', async (t) => {
  const slow: Answer = (request, socket) => {
    if (request.type === 3) setTimeout(() => socket.write(replyChunk(request, 1, 0, Buffer.alloc(0))), 1500);
  };
  const client = await clientOf(t, slow, 500);
  await client.flush();
  const flushed = client.flush();
  await t.rejects(client.read(Buffer.alloc(10), 0), { code: 'IMAGE_FAILED', message: /did not answer within 500 ms/ });
  await t.rejects(flushed, { code: 'IMAGE_FAILED' });
});

t.test('a server that hangs, and one that goes away', async (t) => {
  const silent = await clientOf(t, () => undefined, 1000);
  await t.rejects(silent.read(Buffer.alloc(10), 0), { code: 'IMAGE_FAILED', message: /did not answer within 1000 ms/ });
  const leaving = await clientOf(t, (request, socket) => {
    if (request.offset === 0n) return;
    socket.end(data(20, 10)(request).subarray(0, 33));
  });
  const first = leaving.read(Buffer.alloc(10), 0);
  await t.rejects(leaving.read(Buffer.alloc(10), 20), { code: 'IMAGE_FAILED', message: /closed the connection/ });
  await t.rejects(first, { code: 'IMAGE_FAILED', message: /closed the connection/ });
});

t.test('closing fails what is under way', async (t) => {
  const client = await clientOf(t, () => undefined);
  const waiting = client.read(Buffer.alloc(3_000_000 / 3), 0);
  await Promise.all([t.rejects(waiting, { message: /is closed/ }), client.close()]);
});

t.test('one block status answers for several contexts', async (t) => {
  const context = (number: number, name: string): Buffer =>
    optionReply(10, 4, Buffer.concat([packed([4, number]), Buffer.from(name)]));
  const contexts = [bitmapContext('b'), 'base:allocation'];
  const option = (number: number): Buffer | undefined =>
    number === 10
      ? Buffer.concat([context(5, bitmapContext('b')), context(6, 'base:allocation'), optionReply(10, 1)])
      : undefined;
  const part =
    (flags: number, number: number, ...extents: [number, number][]) =>
    (request: FakeRequest) =>
      replyChunk(
        request,
        flags,
        5,
        packed([4, number], ...extents.flatMap(([l, f]) => [[4, l] as const, [4, f] as const])),
      );
  const open = async (...make: ((request: FakeRequest) => Buffer)[]): Promise<NbdClient> => {
    const socketPath = await fakeNbdServer(t, { option, request: chunks(...make) });
    const client = await openNbd({ socketPath, exportName: '', contexts });
    t.teardown(() => client.close());
    return client;
  };
  const good = await open(part(0, 6, [100, 2]), part(1, 5, [30, 1], [200, 0]));
  t.same(await good.status(bitmapContext('b'), 0, 100), [
    { length: 30, flags: 1 },
    { length: 70, flags: 0 },
  ]);
  t.same(await good.allocation(0, 100), [{ length: 100, zero: true }]);
  const missing = await open(part(1, 5, [100, 1]));
  await t.rejects(missing.status(bitmapContext('b'), 0, 100), { message: /without extents/ });
  const twice = await open(part(0, 5, [100, 1]), part(1, 5, [100, 1]));
  await t.rejects(twice.status(bitmapContext('b'), 0, 100), { message: /not asked for/ });
});
