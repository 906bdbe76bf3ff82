import t from 'tap';
import { BLOCK_BYTES, ObjectType, REGION_BYTES } from '../../../src/codec/formats.js';
import { readFrameHeader } from '../../../src/codec/frame.js';
import { encodeFrame } from '../../../src/protocol/frames.js';
import { ingestServer, rawConnection } from '../../kit/ingest.js';
import { backUp, memoryDatabases, openTestStore } from '../../kit/test-store.js';

void t.test(
  'blocks that come over a base of which a node is damaged make no shadow copy without the others',
  async (t) => {
    const databases = memoryDatabases();
    const store = await openTestStore(databases);
    const content = Buffer.alloc(2 * REGION_BYTES);
    for (const block of [1, 3, 1030]) content.fill(block, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    const { name } = await backUp(store, 'web', content);
    let damaged = 0;
    for await (const [key, frame] of databases.objects.entries()) {
      if (readFrameHeader(frame).type !== ObjectType.inner) continue;
      const value = Buffer.from(frame);
      value[value.length - 1] = (value.at(-1) ?? 0) ^ 1;
      await databases.objects.write([{ type: 'put', key, value }], { sync: true });
      damaged += 1;
    }
    t.equal(damaged, 1);

    const server = ingestServer(store);
    t.teardown(() => server.pool.close());
    const begin = async (): Promise<{ readonly rest: unknown; readonly raw: ReturnType<typeof rawConnection> }> => {
      const raw = rawConnection(server, 'hv1');
      const volume = { name: 'vda', path: '/vda', format: 'raw', sizeBytes: content.length, rest: 'base' };
      raw.say(...encodeFrame({ t: 'begin', machine: 'web', checkpoint: 'c1', base: name, volumes: [volume] }));
      return { raw, rest: (await raw.hear('begun'))['rest'] };
    };
    const { raw, rest } = await begin();
    t.same(rest, ['base'], 'nobody knows of it yet');
    raw.say(
      ...encodeFrame({ t: 'blocks', volume: 0, region: 0, data: [5, 1], zeros: [] }, Buffer.alloc(BLOCK_BYTES, 7)),
    );
    t.match(await raw.hear('error'), { error: { code: 'STORE_DAMAGED' } });
    t.equal(store.catalog.shadowCopies('web').length, 1);
    t.same((await begin()).rest, ['holes'], 'then all of it is to be sent, which heals it');
  },
);
