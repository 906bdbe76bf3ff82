import { escapeName } from '../filesystems/names.js';
import { isEntryName } from '../node.js';
import { BY_LABEL, BY_UUID } from './device-names.js';
import type { Guest } from './shadow-files.js';

export type LinksName = typeof BY_LABEL | typeof BY_UUID;

/** True for the name of a directory of links. */
export function isLinksName(name: string): name is LinksName {
  return name === BY_LABEL || name === BY_UUID;
}

/**
 * The names by which file systems stand in `by-label/` or `by-uuid/`, each with that of its device. Of several with the
 * same label the first keeps it and the next gets `-2`.
 */
export function deviceLinks(guests: readonly Guest[], by: LinksName): ReadonlyMap<string, string> {
  const links = new Map<string, string>();
  for (const { name: device, filesystem } of guests) {
    const title = by === BY_LABEL ? filesystem?.label : filesystem?.uuid;
    const base = linkName(title ?? '');
    if (base === undefined) continue;
    let name = base;
    for (let attempt = 2; links.has(name); attempt++) name = `${base}-${attempt}`;
    links.set(name, device);
  }
  return links;
}

/** A label as a name; undefined without one. */
function linkName(label: string): string | undefined {
  const escaped = escapeName(Buffer.from(label)).replace(/^\.{1,2}$/, (dots) => dots.replaceAll('.', '\\x2e'));
  return isEntryName(escaped) ? escaped : undefined;
}
