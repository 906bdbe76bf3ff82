import { deviceLinks, isLinksName } from '../../mount/files/device-links.js';
import type { FindFilesRequest } from '../protocol/files-api.js';
import { withVersion, type FilesContext } from './opened-version.js';
import { ANY_DEPTH, PathPattern } from './path-pattern.js';

/** Where a search looks, and for what. */
export interface FindScope {
  readonly pattern: PathPattern;
  /** Only in these; in all devices without it. */
  readonly devices?: ReadonlySet<string>;
}

/**
 * The scope of a request. A pattern like `/by-label/NAME/etc/*` is one for the devices whose labels match in a shadow
 * copy, and what is found has their own names.
 * @throws {UmbraError} BAD_ARGUMENT, NOT_FOUND, STORE_DAMAGED
 */
export async function findScope(context: FilesContext, request: FindFilesRequest, version: string): Promise<FindScope> {
  const { machine, glob, ignoreCase } = request;
  const [by = '', name, ...rest] = glob.split('/').filter((part) => part !== '');
  if (!glob.startsWith('/') || !isLinksName(by) || name === undefined) {
    return { pattern: new PathPattern(glob, { ignoreCase }) };
  }
  const below = name === ANY_DEPTH ? [ANY_DEPTH, ...rest] : rest;
  const pattern = new PathPattern(['', '*', ...below].join('/'), { ignoreCase });
  const names = new PathPattern(`/${name}`, { ignoreCase });
  const links = await withVersion(context, { machine, version }, `a search for ${glob}`, async ({ files }) =>
    deviceLinks(await files.guests(), by),
  );
  const meant = [...links].filter(([link]) => names.accepts(names.step(names.start, link)));
  return { pattern, devices: new Set(meant.map(([, device]) => device)) };
}
