import t, { type Test } from 'tap';
import { digestOf } from '../../../src/codec/digest.js';
import { BLOCK_BYTES, REGION_BYTES } from '../../../src/codec/formats.js';
import type { UmbraError } from '../../../src/common/errors.js';
import { encodeFrame, type WireFrame } from '../../../src/protocol/frames.js';
import type { AgentFrame, BeginFrame } from '../../../src/protocol/ingest.js';
import { encodeLeaf } from '../../../src/tree/node.js';
import { ingestServer, rawConnection, type IngestServer } from '../../kit/ingest.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { backUp, openTestStore, readBack } from '../../kit/test-store.js';
import type { Store } from '../../../src/store/store.js';

const BEGIN: BeginFrame = {
  t: 'begin',
  machine: 'vm',
  checkpoint: 'c1',
  volumes: [{ name: 'vda', path: '/vda', format: 'raw', sizeBytes: 2 * REGION_BYTES + 100, rest: 'holes' }],
};
const BLOCK = Buffer.alloc(BLOCK_BYTES, 7);
const END = { t: 'end', ageMs: 0, consistency: 'crash', tracker: 'scan', pauseMs: 0, notes: [], config: [] } as const;

type Step = readonly [header: object, body?: Uint8Array];

function blocks(region: number, data: readonly number[], zeros: readonly number[] = []): AgentFrame {
  return { t: 'blocks', volume: 0, region, data, zeros };
}

function leaf(...chunks: readonly [first: number, blocks: number][]): Buffer {
  return encodeLeaf(chunks.map(([firstBlock, count]) => ({ firstBlock, blocks: count, digest: digestOf(BLOCK) })));
}

/** What each must be refused with. */
const ATTACKS: readonly (readonly [what: string, message: RegExp, ...steps: Step[]])[] = [
  ['no beginning', /begins with/, [END]],
  ['an unknown frame', /type of a frame/, [{ t: 'delete' }]],
  ['an unknown field', /not a known field/, [{ ...BEGIN, force: true }]],
  ['a forged machine name', /not a machine name/, [{ ...BEGIN, machine: '../vm' }]],
  ['a machine of another', /not yours/, [{ ...BEGIN, machine: 'forbidden' }]],
  ['a volume name with a path', /not a volume name/, [{ ...BEGIN, volumes: [{ ...BEGIN.volumes[0], name: 'a/b' }] }]],
  ['two volumes of one name', /same name/, [{ ...BEGIN, volumes: [BEGIN.volumes[0], BEGIN.volumes[0]] }]],
  ['a huge volume', /whole number/, [{ ...BEGIN, volumes: [{ ...BEGIN.volumes[0], sizeBytes: 2 ** 52 }] }]],
  ['a negative volume', /whole number/, [{ ...BEGIN, volumes: [{ ...BEGIN.volumes[0], sizeBytes: -1 }] }]],
  [
    'an image that is said to be one that the server has read',
    /not changed/,
    [{ ...BEGIN, volumes: [{ ...BEGIN.volumes[0], fingerprint: '1 2 3' }] }],
  ],
  ['no volumes', /list of 1/, [{ ...BEGIN, volumes: [] }]],
  ['a forged checkpoint', /1 to 32/, [{ ...BEGIN, checkpoint: 'C 1' }]],
  ['a forged base', /name of a shadow copy/, [{ ...BEGIN, base: '../../x' }]],
  ['somebody else’s upload', /no such upload/, [{ t: 'resume', upload: '00' }]],
  ['beginning twice', /does not belong/, [BEGIN], [BEGIN]],
  ['a volume that is not there', /no volume 1/, [BEGIN], [{ ...blocks(0, [0, 1]), volume: 1 }, BLOCK]],
  ['a region behind the end', /outside/, [BEGIN], [blocks(3, [0, 1]), BLOCK]],
  ['a block behind the end', /outside/, [BEGIN], [blocks(2, [1, 1]), BLOCK]],
  ['a leaf behind the end', /outside/, [BEGIN], [{ t: 'leaf', volume: 0, region: 2 }, leaf([0, 2])]],
  ['too few bytes', /bytes came for/, [BEGIN], [blocks(0, [0, 2]), BLOCK]],
  ['too many bytes', /bytes came for/, [BEGIN], [blocks(0, []), BLOCK]],
  ['a block twice', /comes twice/, [BEGIN], [blocks(0, [0, 1], [0, 1]), BLOCK]],
  ['ranges that overlap', /ranges of blocks/, [BEGIN], [blocks(0, [0, 2, 1, 1]), BLOCK]],
  ['half a range', /ranges of blocks/, [BEGIN], [blocks(0, [0]), BLOCK]],
  ['ranges that are no numbers', /whole number/, [BEGIN], [{ ...blocks(0, []), data: ['0', '1'] }]],
  ['an empty range', /ranges of blocks/, [BEGIN], [blocks(0, [0, 0])]],
  ['a region twice', /out of order/, [BEGIN], [blocks(1, [0, 1]), BLOCK], [blocks(1, [0, 1]), BLOCK]],
  ['regions backwards', /out of order/, [BEGIN], [blocks(1, [0, 1]), BLOCK], [blocks(0, [0, 1]), BLOCK]],
  ['what is no leaf', /no leaf/, [BEGIN], [{ t: 'leaf', volume: 0, region: 0 }, BLOCK]],
  ['chunks longer than any', /longer than/, [BEGIN], [{ t: 'leaf', volume: 0, region: 0 }, leaf([0, 65])]],
  ['chunks unasked for', /nobody asked/, [BEGIN], [{ t: 'chunks', volume: 0, region: 0 }, BLOCK]],
  ['forged configuration names', /no name of a file/, [BEGIN], [{ ...END, config: [{ name: '../x', bytes: 0 }] }]],
  ['configuration without bytes', /configuration files of/, [BEGIN], [{ ...END, config: [{ name: 'x', bytes: 9 }] }]],
  [
    'one configuration name twice',
    /one name/,
    [BEGIN],
    [
      {
        ...END,
        config: [
          { name: 'x', bytes: 0 },
          { name: 'x', bytes: 0 },
        ],
      },
    ],
  ],
  ['a point in time of last year', /ageMs/, [BEGIN], [{ ...END, ageMs: 365 * 86_400_000 }]],
  ['a point in time to come', /ageMs/, [BEGIN], [{ ...END, ageMs: -5 }]],
  ['endless notes', /notes/, [BEGIN], [{ ...END, notes: Array.from({ length: 33 }, () => 'x') }]],
];

t.test('whatever an agent sends, it is refused with a reason, and nothing is harmed', async (t) => {
  const { store, server } = await lab(t);
  const content = Buffer.alloc(100_000, 5);
  await backUp(store, 'other', content);
  for (const [what, message, ...steps] of ATTACKS) {
    const { hear, say } = rawConnection(server, 'host1');
    for (const [header, body] of steps) say(...encodeFrame(header, body));
    const error = await hear('error');
    t.match(error, { error: { message } }, what);
    t.notMatch(error, { error: { code: 'INTERNAL' } });
  }
  await settled(server);
  t.strictSame(store.catalog.machines(), ['other'], 'nothing is listed');
  t.ok((await readBack(store, store.catalog.find('other', 'latest'))).equals(content), 'the others are whole');
  t.equal(store.objectStore.sessions.size, 0, 'no session is left');
});

t.test('an upload that took weeks may end, and makes nothing else older', async (t) => {
  const clock = new ManualClock();
  const store = await openTestStore();
  const server = ingestServer(store, clock);
  t.teardown(() => server.pool.close());
  const weeksMs = 20 * 86_400_000;
  for (const [ageMs, heard] of [
    [weeksMs + 8 * 86_400_000, 'error'],
    [weeksMs + 6 * 86_400_000, 'done'],
  ] as const) {
    const { hear, say } = rawConnection(server, 'host1');
    say(...encodeFrame({ ...BEGIN, volumes: [{ ...BEGIN.volumes[0], sizeBytes: 100 }] }));
    await hear('begun');
    clock.advance(weeksMs);
    say(...encodeFrame({ ...END, ageMs }));
    await hear(heard);
    if (heard === 'done') t.equal(store.catalog.latest('vm')?.timeMs, clock.now() - ageMs);
  }
});

t.test('what comes with the first frame is let go', async (t) => {
  const { server } = await lab(t);
  let released = 0;
  async function* frames(): AsyncGenerator<WireFrame, void> {
    yield { header: { t: 'resume', upload: '00' }, body: BLOCK, release: () => released++ };
  }
  const serving = server.uploads.serve({
    sender: { name: 'host1', host: 'host1' },
    frames: frames(),
    send: () => undefined,
    authorize: () => 'shadow-copy',
    runJob: () => Promise.reject(new Error('there is no job')),
  });
  await t.rejects(serving, { code: 'NOT_FOUND' });
  t.equal(released, 1);
});

t.test('a digest that is not that of its chunk is found out', async (t) => {
  const { store, server } = await lab(t);
  const { hear, say } = rawConnection(server, 'host1');
  say(...encodeFrame(BEGIN), ...encodeFrame({ t: 'leaf', volume: 0, region: 0 }, leaf([0, 1])));
  t.match(await hear('want'), { chunks: [0] });
  say(...encodeFrame({ t: 'chunks', volume: 0, region: 0 }, Buffer.alloc(BLOCK_BYTES, 8)));
  t.match(await hear('error'), { error: { code: 'BAD_ARGUMENT', message: /not what its digest says/ } });
  await settled(server);
  t.strictSame(await store.openSession().find(1, [digestOf(BLOCK), digestOf(Buffer.alloc(BLOCK_BYTES, 8))]), [
    false,
    false,
  ]);
});

t.test('chunks of the wrong length are refused', async (t) => {
  const { server } = await lab(t);
  const { hear, say } = rawConnection(server, 'host1');
  say(...encodeFrame(BEGIN), ...encodeFrame({ t: 'leaf', volume: 0, region: 0 }, leaf([0, 1])));
  await hear('want');
  say(...encodeFrame({ t: 'chunks', volume: 0, region: 0 }, Buffer.alloc(BLOCK_BYTES + 1, 7)));
  t.match(await hear('error'), { error: { message: /bytes came for chunks/ } });
});

t.test('more regions than the window holds are refused', async (t) => {
  const { server } = await lab(t);
  const { hear, say } = rawConnection(server, 'host1');
  say(...encodeFrame({ ...BEGIN, volumes: [{ ...BEGIN.volumes[0], sizeBytes: 100 * REGION_BYTES }] }));
  for (let region = 0; region < 9; region++) say(...encodeFrame({ t: 'leaf', volume: 0, region }, leaf([0, 1])));
  t.match(await hear('error'), { error: { code: 'BAD_ARGUMENT', message: /under way/ } });
});

t.test('what is no frame ends the connection', async (t) => {
  const { server } = await lab(t);
  const oversized = Buffer.alloc(8);
  oversized.writeUInt32LE(0xffffffff, 4);
  const nested = Buffer.concat([Buffer.from([0xff, 0xff, 0, 0, 0, 0, 0, 0]), Buffer.alloc(0xffff, 0x91)]);
  const array = Buffer.from([5, 0, 0, 0, 0, 0, 0, 0, 0xdd, 0xff, 0xff, 0xff, 0xff]);
  for (const bytes of [oversized, nested, array, Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0xc1])]) {
    const { hear, say } = rawConnection(server, 'host1');
    say(bytes);
    t.match(await hear('error'), { error: { code: 'BAD_ARGUMENT' } });
  }
});

t.test('an upload of another host cannot be resumed', async (t) => {
  const { server } = await lab(t);
  const mine = rawConnection(server, 'host1');
  mine.say(...encodeFrame(BEGIN));
  const { upload } = (await mine.hear('begun')) as { readonly upload: string };
  const other = rawConnection(server, 'host2');
  other.say(...encodeFrame({ t: 'resume', upload }));
  t.match(await other.hear('error'), { error: { code: 'NOT_FOUND' } });
  mine.say(...encodeFrame(END));
  t.match(await mine.hear('done'), { shadowCopy: /Z/ });
});

t.test('a host that begins anew takes the place of its own dead connection', async (t) => {
  const { store, server } = await lab(t);
  const first = rawConnection(server, 'host1');
  first.say(...encodeFrame(BEGIN));
  await first.hear('begun');
  const second = rawConnection(server, 'host1');
  second.say(...encodeFrame(BEGIN), ...encodeFrame(blocks(0, [0, 1]), BLOCK), ...encodeFrame(END));
  await second.hear('done');
  t.match(await first.hear('error'), { error: { code: 'CANCELLED' } });
  t.equal(store.catalog.shadowCopies('vm').length, 1);
});

t.test('an upload that is given up lets go of everything, with or without a connection', async (t) => {
  const { store, server } = await lab(t);
  const { hear, say } = rawConnection(server, 'host1');
  say(...encodeFrame(BEGIN));
  const { upload } = (await hear('begun')) as { readonly upload: string };
  await server.uploads.giveUp('other');
  t.not(server.uploads.progressOf('vm'), undefined, 'another is let be');
  await server.uploads.giveUp('vm');
  await hear('error');
  await settled(server);
  t.equal(server.uploads.progressOf('vm'), undefined);
  const cut = server.open('host1');
  cut.up.write(Buffer.concat(encodeFrame(BEGIN)));
  while (server.uploads.progressOf('vm') === undefined) await new Promise((resolve) => setImmediate(resolve));
  cut.up.end();
  await settled(server);
  await server.uploads.giveUp('vm');
  t.equal(store.objectStore.sessions.size, 0, 'no session is left');
  const late = rawConnection(server, 'host1');
  late.say(...encodeFrame({ t: 'resume', upload }));
  t.match(await late.hear('error'), { error: { code: 'NOT_FOUND' } });
});

t.test('a server that stops tells its agents', async (t) => {
  const { server } = await lab(t);
  const { hear, say } = rawConnection(server, 'host1');
  say(...encodeFrame(BEGIN));
  await hear('begun');
  const stopping = { code: 'SERVER_STOPPING', message: 'stopping' } as UmbraError;
  await server.uploads.close(stopping);
  await hear('error');
  await settled(server);
});

async function lab(t: Test): Promise<{ readonly store: Store; readonly server: IngestServer }> {
  const store = await openTestStore();
  const server = ingestServer(store);
  t.teardown(() => server.pool.close());
  return { store, server };
}

/** No connection is served any more. */
async function settled({ ends, started }: IngestServer): Promise<void> {
  while (ends.length < started()) await new Promise((resolve) => setImmediate(resolve));
}
