import { isEntryName } from '../node.js';

/** What the name of the text file ends with that stands where a file system can't be shown. */
export const UNREADABLE = '.unreadable.txt';
export const BY_LABEL = 'by-label';
export const BY_UUID = 'by-uuid';

/**
 * Names that can stand beside one another in `files/`, for devices of the given names: guests choose those of logical
 * volumes. The first of several that are the same keeps its name, the next gets `-2`.
 */
export function uniqueNames(names: readonly string[]): readonly string[] {
  const taken = new Set<string>([BY_LABEL, BY_UUID]);
  return names.map((name) => {
    const base = isEntryName(name) && isEntryName(name + UNREADABLE) ? name : 'unnamed';
    let unique = base;
    for (let attempt = 2; taken.has(unique) || unique.endsWith(UNREADABLE); attempt++) unique = `${base}-${attempt}`;
    taken.add(unique);
    return unique;
  });
}
