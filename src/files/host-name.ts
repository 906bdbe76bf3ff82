import { unescapeName } from '../../mount/filesystems/names.js';

/**
 * What a file is called here whose name in the guest no file of Linux can have: as it is shown, with `\\xHH`.
 * @param name escaped
 */
export function shownHostName(name: string): Buffer {
  const isDots = /^\.{0,2}$/.test(name);
  return Buffer.from(isDots ? `unnamed${'\\x2e'.repeat(name.length)}` : name);
}

/** The bytes of a guest's name, as a file of this machine is called; undefined if no file of Linux can be called so. */
export function hostName(name: string): Buffer | undefined {
  const bytes = unescapeName(name);
  const text = bytes.toString('latin1');
  return text === '' || text === '.' || text === '..' || /[/\0]/.test(text) ? undefined : bytes;
}
