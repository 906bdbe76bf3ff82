import type { ImageFormat } from '../../src/protocol/api.js';

/** What the content of a file looks like. */
export type Magic =
  | { readonly kind: 'image'; readonly name: string; readonly format: ImageFormat }
  /** A disk image format that Umbra doesn't read. */
  | { readonly kind: 'foreign'; readonly name: string }
  /** An archive or a compressed file. */
  | { readonly kind: 'packed'; readonly name: string };

/** How many bytes of the file's beginning {@link magicOf} needs. */
export const HEAD_BYTES = 1024;
/** How many bytes of the file's end. */
export const TAIL_BYTES = 512;

/** Extensions that promise a container, and what {@link magicOf} must then find. */
export const CONTAINER_EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ['.qcow2', 'qcow2'],
  ['.qcow', 'qcow2'],
  ['.vhdx', 'vhdx'],
  ['.vmdk', 'vmdk'],
  ['.vdi', 'vdi'],
  ['.vhd', 'vpc'],
  ['.vpc', 'vpc'],
  ['.qed', 'qed'],
  ['.hds', 'parallels'],
  ['.hdd', 'parallels'],
]);

/** Extensions that promise an archive or compression. */
export const PACKED_EXTENSIONS: ReadonlySet<string> = new Set([
  '.gz',
  '.tgz',
  '.xz',
  '.zst',
  '.lz4',
  '.bz2',
  '.zip',
  '.7z',
  '.tar',
  '.ova',
  '.box',
  '.vma',
]);

interface Signature {
  readonly at: number;
  readonly bytes: Buffer;
  readonly magic: Magic;
}

const VPC_COOKIE = Buffer.from('conectix');

const SIGNATURES: readonly Signature[] = [
  image(0, 'QFI\xfb\0\0\0\x02', 'qcow2'),
  image(0, 'QFI\xfb\0\0\0\x03', 'qcow2'),
  foreign(0, 'QFI\xfb', 'qcow (version 1)'),
  image(0, 'vhdxfile', 'vhdx'),
  image(0, 'KDMV', 'vmdk'),
  image(0, 'COWD', 'vmdk'),
  image(0, '# Disk DescriptorFile', 'vmdk'),
  image(0x40, '\x7f\x10\xda\xbe', 'vdi'),
  image(0, 'conectix', 'vpc'),
  foreign(0, 'QED\0', 'qed'),
  foreign(0, 'WithoutFreeSpace', 'parallels'),
  foreign(0, 'WithouFreSpacExt', 'parallels'),
  packed(0, '\x1f\x8b', 'gzip'),
  packed(0, '\xfd7zXZ\0', 'xz'),
  packed(0, '\x28\xb5\x2f\xfd', 'zstd'),
  packed(0, '\x04\x22\x4d\x18', 'lz4'),
  packed(0, 'BZh', 'bzip2'),
  packed(0, 'PK\x03\x04', 'zip'),
  packed(0, '7z\xbc\xaf\x27\x1c', '7z'),
  packed(0, 'VMA\0', 'vma'),
  packed(257, 'ustar', 'tar, OVA'),
];

/**
 * What a file with this beginning and end looks like; undefined for nothing in particular, as a raw
 * disk does.
 * @param tail - the last {@link TAIL_BYTES} of the file
 */
export function magicOf(head: Buffer, tail: Buffer): Magic | undefined {
  const found = SIGNATURES.find(({ at, bytes }) => head.subarray(at, at + bytes.length).equals(bytes));
  if (found) return found.magic;
  // A fixed VHD is the plain disk with a footer; early versions of Virtual PC left out its last byte.
  const footer = [0, 1].some((at) => tail.subarray(at, at + VPC_COOKIE.length).equals(VPC_COOKIE));
  return footer ? image(0, '', 'vpc').magic : undefined;
}

function image(at: number, text: string, format: ImageFormat): Signature {
  return { at, bytes: Buffer.from(text, 'latin1'), magic: { kind: 'image', name: format, format } };
}

function foreign(at: number, text: string, name: string): Signature {
  return { at, bytes: Buffer.from(text, 'latin1'), magic: { kind: 'foreign', name } };
}

function packed(at: number, text: string, name: string): Signature {
  return { at, bytes: Buffer.from(text, 'latin1'), magic: { kind: 'packed', name } };
}
