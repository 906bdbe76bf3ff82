/** Attributes of a file in FAT, exFAT and NTFS. */
export const READ_ONLY = 0x01;
export const HIDDEN = 0x02;
export const SYSTEM = 0x04;
export const DIRECTORY = 0x10;
export const ARCHIVE = 0x20;

const SHOWN = READ_ONLY | HIDDEN | SYSTEM | ARCHIVE;

/** The extended attribute in which Samba keeps DOS attributes. */
export const DOS_ATTRIBUTES_XATTR = 'user.DOSATTRIB';

/** Samba's xattr_DosInfo of version 3 (librpc/idl/xattr.idl): what of it is valid. */
const ATTRIBUTES_VALID = 0x01;
const CREATE_TIME_VALID = 0x10;
const DOS_INFO_BYTES = 24;

/** Units of 100 ns between 1601 and 1970. */
const NT_EPOCH = 116_444_736_000_000_000n;

/** True unless Samba shows a file without the extended attribute with just these: files to archive, directories not. */
export function hasDosAttributes(attributes: number): boolean {
  return (attributes & SHOWN) !== ((attributes & DIRECTORY) === 0 ? ARCHIVE : 0);
}

/** The value of the extended attribute. */
export function dosAttributes(attributes: number, birthNs: bigint | undefined): Uint8Array {
  const value = Buffer.alloc(DOS_INFO_BYTES);
  // An empty string and its padding, the version, and again as the union's discriminant, padded.
  value.writeUInt16LE(3, 2);
  value.writeUInt16LE(3, 4);
  value.writeUInt32LE(birthNs === undefined ? ATTRIBUTES_VALID : ATTRIBUTES_VALID | CREATE_TIME_VALID, 8);
  value.writeUInt32LE(attributes & (SHOWN | DIRECTORY), 12);
  if (birthNs !== undefined) value.writeBigUInt64LE(birthNs / 100n + NT_EPOCH, 16);
  return value;
}

/** The permissions with which Linux shows a file of FAT or exFAT to all who may look. */
export function permissionsOf(attributes: number): number {
  const isReadOnly = (attributes & READ_ONLY) !== 0 && (attributes & DIRECTORY) === 0;
  return isReadOnly ? 0o555 : 0o755;
}
