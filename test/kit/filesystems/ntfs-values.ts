/** Values as Windows keeps them in a file's attributes, made without the code under test. */

/** A reparse point with that tag ([MS-FSCC] 2.1.2). */
export function reparsePoint(tag: number, data: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(tag, 0);
  header.writeUInt16LE(data.length, 4);
  return Buffer.concat([header, data]);
}

/** A symbolic link; `isRelative` as its flags say. */
export function symlinkPoint(target: string, isRelative: boolean): Buffer {
  return reparsePoint(0xa000000c, linkData(target, isRelative ? 1 : 0));
}

/** A junction: `\??\C:\Users`. */
export function junctionPoint(target: string): Buffer {
  return reparsePoint(0xa0000003, linkData(target, undefined));
}

function linkData(target: string, flags: number | undefined): Buffer {
  const substitute = Buffer.from(target, 'utf16le');
  const print = Buffer.from(target.replace(/^\\\?\?\\/, ''), 'utf16le');
  const header = Buffer.alloc(flags === undefined ? 8 : 12);
  header.writeUInt16LE(0, 0);
  header.writeUInt16LE(substitute.length, 2);
  header.writeUInt16LE(substitute.length + 2, 4);
  header.writeUInt16LE(print.length, 6);
  if (flags !== undefined) header.writeUInt32LE(flags, 8);
  return Buffer.concat([header, substitute, Buffer.alloc(2), print, Buffer.alloc(2)]);
}

/** A list of extended attributes as OS/2 had them, each at a multiple of four. */
export function extendedAttributes(attributes: Readonly<Record<string, Buffer>>): Buffer {
  return Buffer.concat(
    Object.entries(attributes).map(([name, value]) => {
      const entry = Buffer.alloc(Math.ceil((8 + name.length + 1 + value.length) / 4) * 4);
      entry.writeUInt32LE(entry.length, 0);
      entry.writeUInt8(name.length, 5);
      entry.writeUInt16LE(value.length, 6);
      entry.write(name, 8, 'latin1');
      value.copy(entry, 8 + name.length + 1);
      return entry;
    }),
  );
}

/** A number of 32 bits. */
export function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** A security descriptor that gives all to an account with that number, which also owns the file. */
export function securityDescriptor(account: number): Buffer {
  const owner = sid([5, 21, 1, 2, 3, account]);
  const header = Buffer.alloc(20);
  header.writeUInt8(1, 0);
  header.writeUInt16LE(0x8004, 2);
  header.writeUInt32LE(20, 4);
  header.writeUInt32LE(20 + owner.length, 8);
  header.writeUInt32LE(20 + 2 * owner.length, 16);
  const ace = Buffer.alloc(8);
  ace.writeUInt16LE(8 + owner.length, 2);
  ace.writeUInt32LE(0x1f01ff, 4);
  const acl = Buffer.alloc(8);
  acl.writeUInt8(2, 0);
  acl.writeUInt16LE(16 + owner.length, 2);
  acl.writeUInt16LE(1, 4);
  return Buffer.concat([header, owner, owner, acl, ace, owner]);
}

/** A security descriptor of that account's, who may do all, and everyone may read if `isOpen`. */
export function accessDescriptor(account: number, isOpen: boolean): Buffer {
  const owner = sid([5, 21, 1, 2, 3, account]);
  const entries = [accessEntry(0x1f01ff, owner), ...(isOpen ? [accessEntry(0x1200a9, sid([1, 0]))] : [])];
  const size = entries.reduce((sum, entry) => sum + entry.length, 8);
  const acl = Buffer.alloc(8);
  acl.writeUInt8(2, 0);
  acl.writeUInt16LE(size, 2);
  acl.writeUInt16LE(entries.length, 4);
  const header = Buffer.alloc(20);
  header.writeUInt8(1, 0);
  header.writeUInt16LE(0x8004, 2);
  header.writeUInt32LE(20, 4);
  header.writeUInt32LE(20 + owner.length, 8);
  header.writeUInt32LE(20 + 2 * owner.length, 16);
  return Buffer.concat([header, owner, owner, acl, ...entries]);
}

function accessEntry(mask: number, account: Buffer): Buffer {
  const entry = Buffer.alloc(8);
  entry.writeUInt16LE(8 + account.length, 2);
  entry.writeUInt32LE(mask, 4);
  return Buffer.concat([entry, account]);
}

function sid([authority = 0, ...parts]: readonly number[]): Buffer {
  return Buffer.concat([Buffer.of(1, parts.length, 0, 0, 0, 0, 0, authority), ...parts.map(number32)]);
}
