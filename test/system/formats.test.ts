import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { StatsResult } from '../../src/protocol/api.js';
import { scratch } from '../kit/mount-server.js';
import { Random, testSeed } from '../kit/random.js';
import { Umbra } from '../kit/umbra-program.js';

const SEED = '0123456789abcdef';

for (const format of [1, 2]) {
  t.test(`a store of format ${format}, from its making to a restored volume`, async (t) => {
    const directory = scratch(t);
    const umbra = new Umbra(join(directory, 'store'));
    t.teardown(() => umbra.killServer());
    const image = join(directory, 'one.raw');
    const content = new Random(testSeed(t)).bytes(9 << 20);
    writeFileSync(image, content);
    await umbra.result('init', '--seed', SEED, ...(format === 1 ? ['--format', '1'] : []));
    const made = readFileSync(join(umbra.store, 'format'), 'utf8');
    t.match(JSON.parse(made), {
      formatVersion: format,
      cutting: { seed: SEED, ...(format === 1 ? { zeroBits: 4, window: 0 } : { zeroBits: 0, window: 7 }) },
    });
    await umbra.backup('one', image);
    await umbra.result('stop');
    content.fill('changed', 5_000_000, 5_000_100);
    writeFileSync(image, content);
    await umbra.backup('one', image);
    const { format: shown, uniqueBytes } = (await umbra.result('stats')) as StatsResult;
    t.equal(shown, format);
    t.ok(uniqueBytes < content.length * 1.1, `${uniqueBytes} bytes in chunks: only what changed is new`);
    t.match(await umbra.result('verify'), { damagedObjects: [] });
    await umbra.result('restore', 'one', '--to', join(directory, 'out'));
    t.ok(readFileSync(join(directory, 'out', 'vda.raw')).equals(content), 'the bytes that were put in');
    await umbra.result('rebuild');
    t.equal(readFileSync(join(umbra.store, 'format'), 'utf8'), made, 'it stays what it was');
    await umbra.result('stop');
  });
}
