import { deviceLinks, isLinksName, type LinksName } from '../../mount/files/device-links.js';
import { UmbraError } from '../common/errors.js';
import { suggest } from '../common/suggest.js';
import type { GuestFiles } from './guest-files.js';

/** True for a path that names its file system by label or UUID, as the mount does. */
export function isByLink(path: string): boolean {
  return isLinksName(namesOf(path)[0] ?? '');
}

/**
 * A path that begins with the name of a device, for one that may begin with `/by-label/NAME` or `/by-uuid/NAME`.
 * @param title `MACHINE@SHADOW-COPY`, for errors
 * @throws {UmbraError} NOT_FOUND for a label or UUID that no file system has
 */
export async function devicePath(files: GuestFiles, path: string, title: string): Promise<string> {
  const [by = '', link = '', ...names] = namesOf(path);
  if (!isLinksName(by)) return path;
  const links = deviceLinks(await files.guests(), by);
  const device = links.get(link);
  if (device !== undefined) return ['', device, ...names].join('/');
  const meant = suggest(link, [...links.keys()]);
  const list = [...links].map(([name, to]) => `/${by}/${name} (/${to})`).join(', ');
  const hint = list === '' ? `"umbra ls ${title}" shows its file systems.` : `It has ${list}.`;
  throw new UmbraError('NOT_FOUND', `${title} has no file system /${by}/${link}`, {
    hint: meant === undefined ? hint : `Did you mean /${by}/${meant}? ${hint}`,
  });
}

/** Which directory of links a path names: `/by-label` or `/by-uuid` themselves. */
export function linksDirectory(path: string): LinksName | undefined {
  const [name = '', ...more] = namesOf(path);
  return more.length === 0 && isLinksName(name) ? name : undefined;
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}
