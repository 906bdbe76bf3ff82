import t from 'tap';
import { toHex } from '../../../src/codec/digest.js';
import { ObjectType } from '../../../src/codec/formats.js';
import { decodeFrame } from '../../../src/codec/frame.js';
import { encodeFrame, readFrames } from '../../../src/protocol/frames.js';
import type { ObjectPlace, ShadowCopiesAnswer } from '../../../src/protocol/objects-api.js';
import type { StatusResult } from '../../../src/protocol/server-api.js';
import { parseShadowCopyRecord } from '../../../src/store/records.js';
import { readJson } from '../../../src/transport/answer.js';
import type { HttpsTransport } from '../../../src/transport/https-transport.js';
import { decodeInner, decodeLeaf } from '../../../src/tree/node.js';
import { until } from '../../kit/api-client.js';
import { startReadingLab } from '../../kit/reading-lab.js';

const NO_DIGEST = '00'.repeat(32);

/** Asks at the routes as no client of ours does. */
class Reader {
  readonly #link: HttpsTransport;
  constructor(link: HttpsTransport) {
    this.#link = link;
  }

  async list(known?: string): Promise<ShadowCopiesAnswer> {
    const query = known === undefined ? '' : `?known=${known}`;
    return (await readJson(
      await this.#link.send({ method: 'GET', path: `/v1/objects/shadow-copies${query}` }),
    )) as ShadowCopiesAnswer;
  }

  async record(machine: string, version: string, record: string): Promise<ReturnType<typeof parseShadowCopyRecord>> {
    const query = new URLSearchParams({ machine, version, record }).toString();
    const response = await this.#link.send({ method: 'GET', path: `/v1/objects/record?${query}` });
    if (response.statusCode !== 200) await readJson(response);
    const pieces: Buffer[] = [];
    for await (const piece of response as AsyncIterable<Buffer>) pieces.push(piece);
    return parseShadowCopyRecord(Buffer.concat(pieces));
  }

  /** A connection for leases: what is said on it, and what is answered. */
  async lease(): Promise<{
    readonly session: string;
    readonly say: (header: object, body?: Uint8Array) => Promise<Readonly<Record<string, unknown>>>;
    readonly close: () => void;
  }> {
    const { request, response } = await this.#link.stream({ method: 'POST', path: '/v1/objects/lease' });
    request.on('error', () => undefined);
    if (response.statusCode !== 200) await readJson(response);
    const frames = readFrames(response);
    const next = async (): Promise<Readonly<Record<string, unknown>>> => {
      const frame = await frames.next();
      return frame.done === true ? { t: 'over' } : frame.value.header;
    };
    const { session } = await next();
    return {
      session: String(session),
      say: async (header, body) => {
        for (const bytes of encodeFrame(header, body)) request.write(bytes);
        return await next();
      },
      close: () => request.destroy(),
    };
  }

  async read(body: object): Promise<(Buffer | string)[]> {
    const response = await this.#link.send({ method: 'POST', path: '/v1/objects/read', body });
    if (response.statusCode !== 200) await readJson(response);
    const results: (Buffer | string)[] = [];
    for await (const { header, body: object } of readFrames(response)) {
      if (header['end'] === true) return results;
      results.push(typeof header['fault'] === 'string' ? header['fault'] : object);
    }
    throw new Error('no end');
  }
}

/** One server for all: it is what takes time here. */
const shared = startReadingLab(t).then((lab) => ({ lab, anna: new Reader(lab.link) }));

void t.test('administrators read what they have leased, agents only what is below it', async (t) => {
  const { lab, anna } = await shared;
  const host1 = new Reader(await lab.agentLink('hv1', ['m1']));
  const host2 = new Reader(await lab.agentLink('hv2', ['m2']));
  await lab.umbra('protect', 'm1');
  await lab.backUp('m2', Buffer.alloc(3 * 4096, 'two'));
  await lab.umbra('protect', 'm2');

  const { tag, shadowCopies = [] } = await anna.list();
  t.same(
    shadowCopies.map(({ machine, shadowCopy }) => `${machine}@${shadowCopy}`).slice(0, 2),
    lab.names.map((name) => `m1@${name}`),
  );
  t.same(await anna.list(tag), { tag }, 'what is known is not said again');
  t.same((await host1.list()).shadowCopies, shadowCopies.slice(0, 2));
  const [second] = (await host2.list()).shadowCopies ?? [];
  t.match(second, { machine: 'm2' });

  const [first] = shadowCopies;
  if (first === undefined || second === undefined) throw new Error('nothing is listed');
  const ofFirst = { machine: first.machine, shadowCopy: first.shadowCopy, record: first.record };
  const record = await anna.record('m1', first.shadowCopy, first.record);
  t.equal(record.volumes[0]?.sizeBytes, lab.images[0]?.length);
  await t.rejects(anna.record('m1', first.shadowCopy, second.record), { code: 'NOT_FOUND', message: /was deleted/ });
  await t.rejects(host2.record('m1', first.shadowCopy, first.record), { code: 'FORBIDDEN' });
  await t.rejects(host2.record('m9', first.shadowCopy, first.record), { code: 'FORBIDDEN' }, 'the same for none');

  const root = record.volumes[0]?.root ?? Buffer.alloc(0);
  const inner = { kind: 'inner', digests: [toHex(root)] };
  const leases = await anna.lease();
  const { session } = leases;
  await t.rejects(anna.read({ session, ...inner }), { code: 'FORBIDDEN', message: /no shadow copy is leased/ });
  t.same(await leases.say({ t: 'take', lease: 1, ...ofFirst, holder: 'anna reads' }), { t: 'taken', lease: 1 });
  t.match(await leases.say({ t: 'take', lease: 1, ...ofFirst }), { t: 'refused', error: { message: /already/ } });
  t.match(await leases.say({ t: 'take', lease: 2, ...ofFirst, record: second.record }), {
    error: { code: 'NOT_FOUND' },
  });
  t.same(await leases.say({ t: 'alive' }), { t: 'alive' });
  const [node] = await anna.read({ session, ...inner, checked: true });
  const [leaf] = decodeInner(decodeFrame(node as Buffer, { type: ObjectType.inner, digest: root }), 1);
  if (leaf === undefined) throw new Error('the volume has no data');
  const [leafFrame] = await anna.read({ session, kind: 'leaf', digests: [toHex(leaf)] });
  const [chunk] = decodeLeaf(decodeFrame(leafFrame as Buffer, { type: ObjectType.leaf, digest: leaf }));
  const chunks = { kind: 'chunk', digests: [toHex(chunk?.digest ?? leaf)] };
  t.match(await anna.read({ session, kind: 'chunk', digests: [NO_DIGEST, ...chunks.digests] }), [
    /not in the index/,
    Buffer,
  ]);
  t.match(await anna.read({ session, kind: 'chunk', digests: [NO_DIGEST], checked: true }), [/not in the index/]);
  t.match(await anna.read({ session, kind: 'leaf', digests: chunks.digests }), [/not in the index/], 'by their kind');

  await t.rejects(lab.umbra('forget', `m1@${first.shadowCopy}`), { message: /anna reads/ });
  t.match(((await lab.umbra('status')) as StatusResult).jobs, [{ kind: 'lease', what: /the administrator anna/ }]);
  await t.rejects(lab.umbra('rebuild'), { message: /lease/ });

  await t.rejects(host1.read({ session, ...chunks }), { code: 'NOT_FOUND' }, "another's connection");
  const own = await host1.lease();
  t.match(await (await host2.lease()).say({ t: 'take', lease: 1, ...ofFirst }), { error: { code: 'FORBIDDEN' } });
  await own.say({ t: 'take', lease: 7, ...ofFirst });
  const place: ObjectPlace = { lease: 7, volume: 'vda', region: 0 };
  const asHost1 = (what: object, ...places: object[]): Promise<(Buffer | string)[]> =>
    host1.read({ session: own.session, ...what, ...(places.length === 0 ? {} : { places }) });
  t.same(await asHost1(inner, place), [node]);
  t.same(await asHost1({ kind: 'leaf', digests: [toHex(leaf)] }, place), [leafFrame]);
  t.match(await asHost1(chunks, place), [Buffer]);
  await t.rejects(asHost1(chunks), { code: 'FORBIDDEN', message: /not where/ }, 'knowing a digest is not enough');
  await t.rejects(asHost1(chunks, { ...place, region: 1 }), { code: 'FORBIDDEN' });
  await t.rejects(asHost1(chunks, { ...place, region: 99 }), { code: 'FORBIDDEN' });
  await t.rejects(asHost1(chunks, { ...place, lease: 8 }), { code: 'FORBIDDEN', message: /no lease 8/ });
  await t.rejects(asHost1(chunks, { ...place, volume: 'vdb' }), { code: 'NOT_FOUND', message: /no volume/ });
  const ofSecond = await anna.record('m2', second.shadowCopy, second.record);
  const foreign = { kind: 'leaf', digests: [toHex(ofSecond.volumes[0]?.root ?? leaf)] };
  await t.rejects(asHost1(foreign, place), { code: 'FORBIDDEN' });
  await lab.umbra('unprotect', 'm1');
  await t.rejects(asHost1(chunks, place), { code: 'FORBIDDEN', message: /no machine that the host/ });
  leases.close();
  own.close();
});

void t.test('strangers and hostile requests are refused', async (t) => {
  const { lab, anna } = await shared;
  const paths = ['GET shadow-copies', 'GET record', 'POST lease', 'POST read'] as const;
  for (const path of paths) {
    const [method, name] = path.split(' ') as ['GET' | 'POST', string];
    const answer = await fetchAsStranger(lab.port, method, `/v1/objects/${name}`);
    t.equal(answer, 401, path);
  }
  const { session, say, close } = await anna.lease();
  const digest = 'ab'.repeat(32);
  const bad: readonly (readonly [object, RegExp])[] = [
    [{ session, kind: 'chunk', digests: [] }, /list of 1/],
    [{ session, kind: 'chunk', digests: Array.from({ length: 257 }, () => digest) }, /a list of 1 to 256 items/],
    [{ session, kind: 'record', digests: [digest] }, /one of inner/],
    [{ session, kind: 'chunk', digests: [digest.slice(2)] }, /64 hex digits/],
    [{ session, kind: 'chunk', digests: [digest.toUpperCase()] }, /64 hex digits/],
    [{ session, kind: 'chunk', digests: [7] }, /string/],
    [{ session, kind: 'chunk', digests: digest }, /list/],
    [{ session, kind: 'chunk', digests: [digest], more: 1 }, /not a known field/],
    [{ session, kind: 'chunk', digests: [digest], places: [{ lease: -1, volume: 'vda', region: 0 }] }, /whole number/],
    [{ session: 'x', kind: 'chunk', digests: [digest] }, /no such connection/],
    [{ session, kind: 'chunk', digests: [digest], filler: 'x'.repeat(1024 * 1024) }, /larger than/],
  ];
  for (const [body, message] of bad) await t.rejects(anna.read(body), { message });
  t.match(await say({ t: 'take', lease: 1, machine: 'm1', shadowCopy: 'latest', record: digest }), { t: 'refused' });
  t.match(await say({ t: 'steal' }), { t: 'error', error: { message: /one of take/ } });
  close();
  for (const hostile of [
    { t: 'drop' },
    { t: 'take', lease: 1, machine: '../m1', shadowCopy: 'latest', record: digest },
  ]) {
    t.match(await (await anna.lease()).say(hostile), { t: 'error', error: { code: /BAD/ } });
  }
  t.match(await (await anna.lease()).say({ t: 'alive' }, Buffer.alloc(9)), { error: { message: /has a body/ } });
  const holder = 'x'.repeat(257);
  const taking = { t: 'take', lease: 1, machine: 'm1', shadowCopy: 'latest', record: digest, holder };
  t.match(await (await anna.lease()).say(taking), { error: { message: /at most 256/ } });
});

void t.test('a lease ends with its connection', async (t) => {
  const { lab, anna } = await shared;
  const [first, last] = (await anna.list()).shadowCopies ?? [];
  if (first === undefined || last === undefined) throw new Error('nothing is listed');
  const { machine, shadowCopy, record } = first;
  const held = await anna.lease();
  await held.say({ t: 'take', lease: 1, machine, shadowCopy, record, holder: 'anna reads' });
  await t.rejects(lab.umbra('forget', `m1@${shadowCopy}`), { message: /anna reads/ });
  held.close();
  await until(() =>
    lab.umbra('forget', `m1@${shadowCopy}`).then(
      () => true,
      () => false,
    ),
  );

  const { volumes } = await anna.record('m1', last.shadowCopy, last.record);
  const digests = [toHex(volumes[0]?.root ?? Buffer.alloc(0))];
  const kept = await anna.lease();
  const { session } = kept;
  await kept.say({ t: 'take', lease: 1, machine, shadowCopy: last.shadowCopy, record: last.record });
  await lab.umbra('forget', `m1@${last.shadowCopy}`, '--force');
  await lab.umbra('gc');
  t.match(await anna.read({ session, kind: 'inner', digests }), [Buffer], 'its data stays');
  await kept.say({ t: 'alive' });
  kept.close();
  await until(async () => {
    const { jobs } = (await lab.umbra('status')) as StatusResult;
    return !jobs.some(({ what }) => what.includes('anna'));
  }, 30_000);
  await t.rejects(anna.read({ session, kind: 'inner', digests }), { code: 'NOT_FOUND' });
});

async function fetchAsStranger(port: number, method: string, path: string): Promise<number> {
  const { request } = await import('node:https');
  return await new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, method, path, rejectUnauthorized: false, agent: false });
    asked.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.on('error', reject);
    asked.end();
  });
}
