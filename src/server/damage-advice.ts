import type { DamageResult } from '../protocol/upkeep-api.js';

const FILE_KINDS: ReadonlySet<string> = new Set(['table', 'index']);

/** What to do about damage, in words; undefined where there is none. */
export function damageAdvice({ objects, places }: Pick<DamageResult, 'objects' | 'places'>): string | undefined {
  if (objects.length === 0 && places.length === 0) return undefined;
  const advice: string[] = [];
  if (objects.some(({ kind }) => FILE_KINDS.has(kind)))
    advice.push(
      'Run "umbra rebuild": it makes the index and the catalog again, and keeps every object that can be read.',
    );
  const machines = [...new Set(places.filter(({ isInNewest }) => isInNewest).map(({ machine }) => machine))];
  if (machines.length > 0)
    advice.push(
      `The next backup of ${machines.join(', ')} reads what is damaged again from the source, and heals what is still the same ` +
        'there: it is made soon if an agent does it, and by "umbra backup" otherwise.',
    );
  if (places.some(({ volume }) => volume === ''))
    advice.push(
      'A shadow copy whose record is lost has lost its configuration and volumes: "umbra forget" deletes what is left.',
    );
  if (places.some(({ isInNewest, volume }) => !isInNewest && volume !== ''))
    advice.push(
      'What the newest shadow copy does not hold any more has changed at its source, and does not heal: all else of these shadow copies can ' +
        'be read, and "umbra forget" deletes those that are not worth keeping.',
    );
  if (places.length === 0 && advice.length === 0)
    advice.push('No shadow copy that was looked at refers to what is damaged; "umbra gc" removes it if none does.');
  advice.push('Look at the disk of the store: what is damaged once may be again.');
  return advice.join(' ');
}
