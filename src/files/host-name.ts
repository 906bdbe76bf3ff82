import { escapeName, unescapeName } from '../../mount/filesystems/names.js';
import type { FileId, Filesystem } from '../../mount/filesystems/filesystem.js';

/** With more than that the name is longer than any file system takes. */
const MAX_TRIES = 256;

/**
 * What a file is called here whose name in the guest no file of Linux can have: as it is shown, with `\\xHH`.
 * @param name escaped
 */
export function shownHostName(name: string): Buffer {
  const isDots = /^\.{0,2}$/.test(name);
  return Buffer.from(isDots ? `unnamed${'\\x2e'.repeat(name.length)}` : name);
}

/**
 * As {@link shownHostName}, for one of all that is in a directory: another file may really be called as this one is
 * shown, and neither must take the other's place. Then this one gets underlines at its end.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function shownNameIn(filesystem: Filesystem, directory: FileId, name: string): Promise<Buffer> {
  let shown = shownHostName(name).toString();
  const isTaken = async (escaped: string): Promise<boolean> =>
    escaped !== name && (await filesystem.lookup(directory, escaped)) !== undefined;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (!(await isTaken(escapeName(Buffer.from(shown)))) && !(await isTaken(shown))) break;
    shown += '_';
  }
  return Buffer.from(shown);
}

/** The bytes of a guest's name, as a file of this machine is called; undefined if no file of Linux can be called so. */
export function hostName(name: string): Buffer | undefined {
  const bytes = unescapeName(name);
  const text = bytes.toString('latin1');
  return text === '' || text === '.' || text === '..' || /[/\0]/.test(text) ? undefined : bytes;
}
