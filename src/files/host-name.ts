import { unescapeName } from '../../mount/filesystems/names.js';

/** The bytes of a guest's name, as a file of this machine is called; undefined if no file of Linux can be called so. */
export function hostName(name: string): Buffer | undefined {
  const bytes = unescapeName(name);
  const text = bytes.toString('latin1');
  return text === '' || text === '.' || text === '..' || /[/\0]/.test(text) ? undefined : bytes;
}
