import { join } from 'node:path';
import t from 'tap';
import { FaultQueue } from '../../../src/store/faults.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import { openLevelKv, type LevelProfile } from '../../../src/store/level-kv.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { kvConformance } from '../../kit/kv-conformance.js';
import { openPowerCutKv } from '../../kit/power-cut-kv.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const directory = temporaryDirectory(t);
const random = new Random(testSeed(t));
let opened = 0;

function openLevel(profile: LevelProfile) {
  return openLevelKv(join(directory, `${++opened}`), { profile, createIfMissing: true, errorIfExists: true });
}

await kvConformance(t, 'memory', () => Promise.resolve(openMemoryKv()));
await kvConformance(t, 'LevelDB, bulk', () => openLevel('bulk'));
await kvConformance(t, 'LevelDB, small', () => openLevel('small'));
await kvConformance(t, 'faulty, without faults', () => Promise.resolve(openFaultyKv(openMemoryKv(), new FaultQueue())));
await kvConformance(t, 'power cut', () => Promise.resolve(openPowerCutKv({ random })));
