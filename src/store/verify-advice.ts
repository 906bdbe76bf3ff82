import type { DamagedRange } from '../protocol/api.js';
import type { Damage } from './verify-objects.js';

/** Kinds of damage that rebuilding mends: in `meta`, which is made again from the objects, and in LevelDB's files. */
const INDEX_KINDS: ReadonlySet<string> = new Set(['index', 'listing', 'table']);

/** What to do about damage, in words; undefined when there is none. */
export function adviceFor(damaged: readonly Damage[], ranges: readonly DamagedRange[]): string | undefined {
  const advice = [indexAdvice(damaged), ...contentAdvice(ranges)].filter((text) => text !== undefined);
  if (advice.length > 0) return advice.join(' ');
  return damaged.length > 0 ? 'No shadow copy refers to what is damaged; "umbra gc" removes it.' : undefined;
}

function indexAdvice(damaged: readonly Damage[]): string | undefined {
  if (!damaged.some(({ kind }) => INDEX_KINDS.has(kind))) return undefined;
  return 'Run "umbra rebuild": it makes the index and the catalog again from the objects.';
}

function contentAdvice(ranges: readonly DamagedRange[]): string[] {
  const lost = ranges
    .filter(({ volume }) => volume === '')
    .map(({ machine, shadowCopy }) => `${machine}@${shadowCopy}`);
  const machines = [...new Set(ranges.filter(({ volume }) => volume !== '').map(({ machine }) => machine))];
  const advice: string[] = [];
  if (lost.length > 0) advice.push(`The record of ${lost.join(', ')} is lost: "umbra forget" deletes what is left.`);
  if (machines.length > 0) {
    advice.push(
      `Run "umbra backup" for ${machines.join(', ')}: whatever the disks still hold of the damaged content is stored ` +
        'again, and every shadow copy that refers to it is whole. What has changed on the disks since stays damaged.',
    );
  }
  return advice;
}
