import path from 'node:path';
import type { Version } from './contender.js';
import { copyInPlace, scribble } from './images.js';
import { log } from './log.js';
import { SeededRandom } from './random.js';
import { restoreAndCompare, type RoundContext } from './round.js';
import { diskBytes } from './system.js';
import { formatFigure } from './table.js';

const MB = 1e6;
const SPOT_BYTES = 64 * 1024;
const SPOT_DISTANCE = 4 * 1024 * 1024;

/**
 * Makes many versions of one small machine, each of which differs from its neighbours in a spot of
 * 64 KiB in every 4 MiB, then forgets one of them and collects, `times` times with another version each.
 */
export async function forgetOneOfMany(context: RoundContext, times: number): Promise<void> {
  const { contender, record, dir } = context;
  await contender.init();
  const image = path.join(dir, 'many.img');
  const versions = await makeVersions(context, image);
  for (let time = 1; time <= times; time += 1) {
    const version = versions[Math.floor((versions.length * time) / (times + 1))];
    if (version === undefined) break;
    const before = diskBytes(contender.storeDir);
    const seconds = await contender.forget(version);
    const freed = before - diskBytes(contender.storeDir);
    log(`  ${contender.name}: forget ${formatFigure(seconds)} s, freed ${formatFigure(freed / MB)} MB`);
    record('forget', seconds);
    record('freed', freed / MB);
  }
  const last = versions.at(-1);
  if (last !== undefined) await restoreAndCompare(context, last, image);
}

async function makeVersions(context: RoundContext, image: string): Promise<Version[]> {
  const { contender, input, scale, seed } = context;
  log(`  ${contender.name}: making ${scale.manyVersions} versions`);
  copyInPlace(input.images.many, image);
  const random = new SeededRandom(seed);
  const spots = Array.from({ length: Math.floor(scale.manyImageBytes / SPOT_DISTANCE) }, (_, i) => i * SPOT_DISTANCE);
  const versions: Version[] = [];
  for (let count = 0; count < scale.manyVersions; count += 1) {
    scribble(image, spots, SPOT_BYTES, random);
    versions.push((await contender.backup('many', image)).version);
  }
  return versions;
}
