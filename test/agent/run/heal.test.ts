import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { BLOCK_BYTES, BLOCKS_PER_REGION, ObjectType } from '../../../src/codec/formats.js';
import type { JobsResult } from '../../../src/protocol/jobs-api.js';
import type { DamageResult, ScrubResult } from '../../../src/protocol/upkeep-api.js';
import type { Engine } from '../../../src/server/engine.js';
import { openLocalEngine } from '../../../src/server/local-engine.js';
import { startAgentLab } from '../../kit/agent-lab.js';
import { ask, until } from '../../kit/api-client.js';
import { chunksOf, damageObject } from '../../kit/damage.js';
import { Random, testSeed } from '../../kit/random.js';
import { runUmbra } from '../../kit/run-umbra.js';

const FILE_BYTES = 600_000;

t.test('damage is found, named by file, and healed by a backup that nobody asks for', async (t) => {
  let engine: Engine | undefined;
  let mayHeal = Promise.resolve();
  const lab = await startAgentLab(t, {
    schedule: true,
    scrubDays: 30,
    openEngine: async (options) => {
      engine = await openLocalEngine(options);
      const uploads = engine.uploads();
      const serve = uploads.serve.bind(uploads);
      uploads.serve = async (connection) => {
        await mayHeal;
        await serve(connection);
      };
      return engine;
    },
  });
  const images = join(lab.directory, 'images');
  const guest = join(lab.directory, 'guest');
  mkdirSync(join(guest, 'etc'), { recursive: true });
  mkdirSync(images);
  const content = new Random(testSeed(t)).bytes(FILE_BYTES);
  writeFileSync(join(guest, 'etc', 'precious'), content);
  writeFileSync(join(guest, 'other'), 'x'.repeat(5000));
  const image = join(images, 'web.raw');
  writeFileSync(image, '');
  truncateSync(image, 8 * 1024 * 1024);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', guest, image], { stdio: 'ignore' });
  await lab.agent('hv1', `libvirt: "off"\ndirectories: [${images}]\ndiscoverSeconds: 3600`);
  const jobs = async (): Promise<JobsResult['jobs']> =>
    ((await ask(lab.store, 'POST', '/v1/jobs/list', { machine: 'web' })).body as JobsResult).jobs;
  await lab.umbra('protect', 'web');
  await until(async () => (await jobs())[0]?.state === 'done');

  const store = await engine?.upkeep().store();
  if (store === undefined) throw new TypeError('there is no store');
  const record = await store.record(store.catalog.find('web', 'latest'));
  const chunks = await chunksOf(store, record.volumes[0] ?? { root: new Uint8Array(32), sizeBytes: 0 });
  // Where chunks end depends on all bytes: one that has this block of the file may begin anywhere before it.
  const block =
    readFileSync(image).indexOf(content.subarray(FILE_BYTES / 2, FILE_BYTES / 2 + BLOCK_BYTES)) / BLOCK_BYTES;
  const chunk = chunks.findLast(
    ({ region, chunk: { firstBlock } }) => region * BLOCKS_PER_REGION + firstBlock <= Math.floor(block),
  );
  // Once that is done, the shadow copy whose files are to be named may be deleted.
  let heal = (): void => undefined;
  mayHeal = new Promise((resolve) => (heal = resolve));
  await damageObject(store, ObjectType.chunk, chunk?.chunk.digest ?? new Uint8Array());
  const { code, stdout } = await runUmbra(['scrub', '--now', '--json'], lab.store);
  t.equal(code, 5, 'it is found');
  t.match(JSON.parse(stdout) as ScrubResult, { damagedObjects: 1, unreadObjects: 0 });
  const named = JSON.parse((await runUmbra(['damage', '--json'], lab.store)).stdout) as DamageResult;
  t.match(named, {
    objectCount: 1,
    objects: [{ kind: 'chunk' }],
    places: [{ machine: 'web', volume: 'vda', shadowCopies: [record.name], isInNewest: true }],
    files: [{ machine: 'web', path: '/vda/etc/precious', shadowCopyCount: 1 }],
    fileCount: 1,
    unread: [],
    advice: /next backup of web reads what is damaged again/,
  });
  heal();
  await until(async () => (await jobs()).filter(({ state }) => state === 'done').length === 2);
  await until(async () => (await runUmbra(['damage'], lab.store)).code === 0);
  const [job] = await jobs();
  const told = await runUmbra(['job', String(job?.id)], lab.store);
  t.match(told.stdout, 'due, since something of it was found damaged in the store');
  t.match(await lab.umbra('verify'), { damagedObjects: [], damaged: [] });
  const figures = String((await ask(lab.store, 'GET', '/metrics')).body);
  t.match(figures, /umbra_store_damaged_objects 0\n/);
  t.match(figures, /umbra_scrub_unread_objects \d+\n/);
});
