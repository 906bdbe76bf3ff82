import { UmbraError } from '../common/errors.js';
import { checkVolumeName } from '../common/names.js';
import type { BackupRequest, ImageFormat } from '../protocol/api.js';

type Image = BackupRequest['images'][number];

/**
 * The images of a backup: the positional ones in their order, then those that only `--name VOLUME=IMAGE`
 * gives. An entry of `--name` names the image of the same path.
 * @param absolute makes a path absolute
 * @throws {UmbraError} BAD_ARGUMENT, BAD_NAME
 */
export function backupImages(
  positional: readonly string[],
  names: readonly string[],
  format: ImageFormat | undefined,
  absolute: (path: string) => string,
): readonly Image[] {
  const named = new Map<string, string>();
  const taken = new Set<string>();
  for (const entry of names) {
    const { name, path } = parseName(entry);
    if (taken.has(name)) throw new UmbraError('BAD_ARGUMENT', `two images are to be the volume ${name}`);
    if (named.has(absolute(path))) throw new UmbraError('BAD_ARGUMENT', `${path} is given two names`);
    taken.add(name);
    named.set(absolute(path), name);
  }
  const paths = new Set(positional.map(absolute));
  if (paths.size < positional.length) throw new UmbraError('BAD_ARGUMENT', 'an image is given twice');
  for (const path of named.keys()) paths.add(path);
  if (paths.size === 0) {
    throw new UmbraError('BAD_ARGUMENT', 'no disk image is given', { hint: 'Usage: umbra backup MACHINE IMAGE...' });
  }
  return [...paths].map((path) => {
    const name = named.get(path);
    return { path, ...(name === undefined ? {} : { name }), ...(format === undefined ? {} : { format }) };
  });
}

function parseName(entry: string): { name: string; path: string } {
  const equals = entry.indexOf('=');
  const path = entry.slice(equals + 1);
  if (equals < 1 || path === '') {
    throw new UmbraError('BAD_ARGUMENT', `--name ${entry} must be VOLUME=IMAGE`, {
      hint: 'For example: --name vda=web1.qcow2',
    });
  }
  return { name: checkVolumeName(entry.slice(0, equals)), path };
}
