import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { connectWithToken } from '../../../src/client/remote-login.js';
import { toHex } from '../../../src/codec/digest.js';
import { ObjectType } from '../../../src/codec/formats.js';
import { systemClock } from '../../../src/common/clock.js';
import { encodeFrame, readFrames, type WireFrame } from '../../../src/protocol/frames.js';
import type { ServerLink } from '../../../src/remote/object-client.js';
import { RemoteStore } from '../../../src/remote/remote-store.js';
import type { Listing } from '../../../src/store/catalog.js';
import type { ChunkRef } from '../../../src/tree/node.js';
import { TreeReader } from '../../../src/tree/tree-reader.js';
import { cuttableWay, startReadingLab } from '../../kit/reading-lab.js';

/** One server for all: it is what takes time here. */
const shared = startReadingLab(t);

async function opened(
  t: Test,
  link: ServerLink,
  outageLimitMs = 60_000,
): Promise<{
  readonly store: RemoteStore;
  readonly listing: Listing;
  readonly chunks: ChunkRef[];
  readonly abort: () => void;
}> {
  const controller = new AbortController();
  const store = await RemoteStore.open({ link, clock: systemClock, signal: controller.signal, outageLimitMs });
  t.teardown(() => {
    store.close();
  });
  const listing = store.catalog.find('m1', 'latest');
  await store.leases.take(listing);
  const [volume] = (await store.record(listing)).volumes;
  if (volume === undefined) throw new Error('there is no volume');
  const chunks = await new TreeReader(store.reader, volume).chunks(0);
  return {
    store,
    listing,
    chunks,
    abort: () => {
      controller.abort();
    },
  };
}

/** A way to a server whose answers with objects or records are changed on the way. */
function lying(link: ServerLink): ServerLink & { change: ((frames: WireFrame[]) => WireFrame[]) | undefined } {
  const liar = {
    change: undefined as ((frames: WireFrame[]) => WireFrame[]) | undefined,
    stream: link.stream.bind(link),
    send: async (message: Parameters<ServerLink['send']>[0]): Promise<IncomingMessage> => {
      const response = await link.send(message);
      const { change } = liar;
      if (change === undefined || response.statusCode !== 200) return response;
      const frames: WireFrame[] = [];
      if (message.path === '/v1/objects/read') {
        for await (const frame of readFrames(response)) frames.push(frame);
        return answer(change(frames).flatMap(({ header, body }) => [...encodeFrame(header, body)]));
      }
      const pieces: Buffer[] = [];
      for await (const piece of response as AsyncIterable<Buffer>) pieces.push(piece);
      return answer(
        change([{ header: {}, body: Buffer.concat(pieces) }]).map(({ body }) => body),
        response,
      );
    },
  };
  return liar;
}

function answer(pieces: readonly Uint8Array[], like?: IncomingMessage): IncomingMessage {
  const stream = Readable.from(pieces.filter(({ length }) => length > 0));
  const parts = { statusCode: 200, complete: true, headers: like?.headers ?? {}, trailers: {} };
  return Object.assign(stream, parts) as unknown as IncomingMessage;
}

function flipped({ header, body }: WireFrame): WireFrame {
  const wrong = Buffer.from(body);
  if (wrong.length > 0) wrong.writeUInt8(wrong.readUInt8(wrong.length - 1) ^ 1, wrong.length - 1);
  return { header, body: wrong };
}

void t.test('nothing that a server gets wrong is taken for data', async (t) => {
  const { link } = await shared;
  const liar = lying(link);
  const { store, listing, chunks } = await opened(t, liar);
  const [chunk, other] = chunks;
  if (chunk === undefined || other === undefined) throw new Error('there are no chunks');
  const { digest } = chunk;
  const read = (): Promise<Buffer> => store.reader.read(ObjectType.chunk, digest);
  const right = await read();
  const named = { code: 'STORE_DAMAGED', message: new RegExp(`chunk ${toHex(digest)} cannot be read`) };
  liar.change = (frames) => frames.map(flipped);
  await t.rejects(read(), named, 'a byte that is wrong');
  const [instead] = await store.reader.readFrames(ObjectType.chunk, [other.digest]);
  liar.change = ([, ...rest]) => [
    { header: { object: 0 }, body: Buffer.from((instead as { frame: Buffer }).frame) },
    ...rest,
  ];
  await t.rejects(read(), named, 'another object');
  let once = true;
  liar.change = (frames) => {
    const now = once ? frames.map(flipped) : frames;
    once = false;
    return now;
  };
  await t.rejects(
    read(),
    { message: /right there/ },
    'right when it is asked for again: something is wrong all the same',
  );
  liar.change = (frames) => [...frames.slice(0, 1), ...frames];
  await t.rejects(opened(t, liar, 0), { code: /STORE_DAMAGED|SERVER_UNREACHABLE/ });
  liar.change = (frames) => frames.map(flipped);
  await t.rejects(store.record(listing), { code: 'STORE_DAMAGED', message: /record .* something else/ });
  liar.change = undefined;
  t.ok((await read()).equals(right), 'nothing of it was kept');

  const missing = Buffer.alloc(32, 7);
  await t.rejects(store.reader.read(ObjectType.chunk, missing), { message: /chunk 0707.*not in the index/ });
  await t.rejects(store.reader.read(ObjectType.settings, missing), { code: 'INTERNAL' });
  await t.rejects(store.reader.has(), { code: 'INTERNAL' });
  const all = chunks.map((ref) => store.reader.read(ObjectType.chunk, ref.digest));
  t.same(
    (await Promise.all(all)).map(({ length }) => length),
    chunks.map(({ blocks }) => blocks * 4096),
    'many at once',
  );
});

void t.test('what was deleted while the connection was lost is said to be so', async (t) => {
  const { port, token, umbra, backUp, names } = await shared;
  await backUp('m3', Buffer.alloc(4096, 3));
  const way = await cuttableWay(t, port);
  const link = await connectWithToken({ host: '127.0.0.1', port: way.port }, token);
  t.teardown(() => {
    link.close();
  });
  const { store, listing, chunks, abort } = await opened(t, link);
  const digests = chunks.map(({ digest }) => digest);
  const before = await store.reader.readFrames(ObjectType.chunk, digests.slice(0, 1));
  t.match(before, [{ frame: Buffer }]);
  way.cut(false);
  await umbra('forget', `m1@${names[0] ?? ''}`, `m1@${names[1] ?? ''}`, '--force');
  await umbra('gc');
  way.cut(true);
  const gone = {
    code: 'NOT_FOUND',
    message: /m1@.* is no longer to be had since the connection to the server was lost/,
  };
  await t.rejects(store.reader.read(ObjectType.chunk, digests[0] ?? Buffer.alloc(32)), gone);
  await t.rejects(Promise.resolve(store.leases.take(listing)), { code: 'NOT_FOUND' });
  await t.rejects(store.record(listing), { code: 'NOT_FOUND' });
  t.ok(store.catalog.machines().includes('m1'), 'as it was');
  await store.fresh();
  way.cut(false);
  const reading = store.reader.readFrames(ObjectType.chunk, digests);
  abort();
  await t.rejects(reading, { code: 'CANCELLED' });

  way.cut(true);
  const quick = await RemoteStore.open({
    link,
    clock: systemClock,
    signal: new AbortController().signal,
    outageLimitMs: 1000,
  });
  t.notOk(quick.catalog.machines().includes('m1'));
  way.cut(false);
  await t.rejects(Promise.resolve(quick.leases.take(quick.catalog.find('m3', 'latest'))), {
    code: 'SERVER_UNREACHABLE',
  });
  quick.close();
  await t.rejects(quick.leases.session(), { code: 'SERVER_UNREACHABLE' }, 'closed');
});
