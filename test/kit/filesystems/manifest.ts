import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type BigIntStats } from 'node:fs';
import type { Test } from 'tap';
import type { FileId, FileStat, Filesystem, FileType } from '../../../mount/filesystems/filesystem.js';
import { escapeName, escapeTarget } from '../../../mount/filesystems/names.js';
import { getXattr, listXattrs } from '../../../src/system/xattrs.js';

/** What a file is, in every respect that two views of it can be compared in. */
export interface ManifestEntry {
  type: FileType;
  permissions: number;
  nlink: number;
  uid: number;
  gid: number;
  sizeBytes: number;
  blocks: number;
  /** `MAJOR:MINOR` of a device. */
  device?: string;
  mtimeNs: bigint;
  atimeNs: bigint;
  ctimeNs: bigint;
  /** Of a symbolic link. */
  target?: string;
  /** Of a regular file. */
  sha256?: string;
  /** Values in hex. */
  xattrs: Readonly<Record<string, string>>;
  /** Which files are the same: the least path of each inode, at all the others. */
  sameAs?: string;
}

/** By escaped path, `/` being the top. */
export type Manifest = Map<string, Partial<ManifestEntry>>;

const PIECE_BYTES = 1024 * 1024;

/**
 * Everything in a directory of this machine: a file system mounted by the kernel or by another project's FUSE program.
 * `onError` hears of files whose content cannot be read; without it they end it.
 */
export function directoryManifest(root: string, onError?: OnError): Manifest {
  const manifest: Manifest = new Map();
  const paths = new Map<string, string[]>();
  const pending: { path: Buffer; name: string }[] = [{ path: Buffer.from(root), name: '/' }];
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const { path, name } = next;
    const stat = lstatSync(path, { bigint: true });
    const entry = directoryEntry(path, stat);
    if (entry.type === 'file') addDigest(entry, path, name, onError);
    manifest.set(name, entry);
    // The subvolumes of btrfs have the same inode numbers, and devices of their own.
    noteLink(entry, `${stat.dev}:${stat.ino}`, name, paths);
    if (!stat.isDirectory()) continue;
    for (const child of readdirSync(path, { encoding: 'buffer' })) {
      pending.push({ path: Buffer.concat([path, Buffer.from('/'), child]), name: joinPath(name, escapeName(child)) });
    }
  }
  return nameLinks(manifest, paths);
}

function directoryEntry(path: Buffer, stat: BigIntStats): Partial<ManifestEntry> {
  const type = typeOfMode(Number(stat.mode));
  const entry: Partial<ManifestEntry> = {
    type,
    permissions: Number(stat.mode) & 0o7777,
    nlink: Number(stat.nlink),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    sizeBytes: Number(stat.size),
    blocks: Number(stat.blocks),
    mtimeNs: stat.mtimeNs,
    atimeNs: stat.atimeNs,
    ctimeNs: stat.ctimeNs,
    xattrs: Object.fromEntries(listXattrs(path).map((key) => [key, getXattr(path, key).toString('hex')])),
  };
  if (type === 'character-device' || type === 'block-device') entry.device = deviceName(stat.rdev);
  if (type === 'symlink') entry.target = escapeTarget(readlinkSync(path, { encoding: 'buffer' }));
  return entry;
}

function addDigest(entry: Partial<ManifestEntry>, path: Buffer, name: string, onError?: OnError): void {
  try {
    entry.sha256 = sha256OfFile(path);
  } catch (error) {
    if (onError === undefined) throw error;
    onError(name, error);
  }
}

/** Note that a path leads to the file of that key. */
function noteLink<K>(entry: Partial<ManifestEntry>, key: K, path: string, paths: Map<K, string[]>): void {
  if (entry.type === 'directory' || entry.nlink === 1) return;
  const known = paths.get(key);
  if (known === undefined) paths.set(key, [path]);
  else known.push(path);
}

/** Say which paths lead to the same file, whatever order they were found in. */
function nameLinks<K>(manifest: Manifest, paths: Map<K, string[]>): Manifest {
  for (const same of paths.values()) {
    const [first, ...others] = same.sort();
    for (const path of others) {
      const entry = manifest.get(path);
      if (entry !== undefined && first !== undefined) entry.sameAs = first;
    }
  }
  return manifest;
}

/** Linux' split of a device number. */
function deviceName(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

function typeOfMode(mode: number): FileType {
  const types: Readonly<Record<number, FileType>> = {
    0o010000: 'fifo',
    0o020000: 'character-device',
    0o040000: 'directory',
    0o060000: 'block-device',
    0o100000: 'file',
    0o120000: 'symlink',
    0o140000: 'socket',
  };
  return types[mode & 0o170000] ?? 'file';
}

function sha256OfFile(path: Buffer): string {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(PIECE_BYTES);
  const fd = openSync(path, 'r');
  try {
    for (let length = readSync(fd, piece); length > 0; length = readSync(fd, piece)) {
      hash.update(piece.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

/** The error of a file that could not be read stands in its place. */
export type OnError = (path: string, error: unknown) => void;

/** Everything that a reader shows. Without `onError` the first error ends it. */
export async function filesystemManifest(filesystem: Filesystem, onError?: OnError): Promise<Manifest> {
  const manifest: Manifest = new Map();
  const paths = new Map<FileId, string[]>();
  const pending: { id: FileId; name: string }[] = [{ id: filesystem.root, name: '/' }];
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    if (onError === undefined) await work();
    else {
      try {
        await work();
      } catch (error) {
        onError(name, error);
      }
    }
  };
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    const { id, name } = next;
    await attempt(name, async () => {
      const stat = await filesystem.stat(id);
      const entry = entryOf(stat);
      noteLink(entry, id, name, paths);
      manifest.set(name, entry);
      entry.xattrs = await xattrsOf(filesystem, id);
      if (stat.type === 'symlink') entry.target = await filesystem.readlink(id);
      if (stat.type === 'file') entry.sha256 = await sha256OfReader(filesystem, id);
      if (stat.type !== 'directory') return;
      for await (const batch of filesystem.readDirectory(id)) {
        for (const item of batch) pending.push({ id: item.id, name: joinPath(name, item.name) });
      }
    });
  }
  return nameLinks(manifest, paths);
}

function entryOf(stat: FileStat): Partial<ManifestEntry> {
  const { type, permissions, nlink, uid, gid, sizeBytes, blocks, device, mtimeNs, atimeNs, ctimeNs } = stat;
  const entry: Partial<ManifestEntry> = {
    type,
    permissions,
    nlink,
    uid,
    gid,
    sizeBytes,
    blocks,
    mtimeNs,
    atimeNs,
    ctimeNs,
  };
  if (device !== undefined) entry.device = `${device.major}:${device.minor}`;
  return entry;
}

async function xattrsOf(filesystem: Filesystem, id: FileId): Promise<Record<string, string>> {
  return Object.fromEntries([...(await filesystem.xattrs(id))].map(([key, value]) => [key, hex(value)]));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** The digest of a file's content as a reader gives it. */
export async function sha256OfReader(filesystem: Filesystem, id: FileId): Promise<string> {
  const file = await filesystem.open(id);
  const hash = createHash('sha256');
  const piece = Buffer.alloc(Math.max(1, Math.min(PIECE_BYTES, file.sizeBytes)));
  for (let offset = 0; offset < file.sizeBytes;) {
    const length = await file.read(piece, offset);
    if (length === 0) break;
    hash.update(piece.subarray(0, length));
    offset += length;
  }
  return hash.digest('hex');
}

function joinPath(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}

export interface CompareOptions {
  /** What is not compared. */
  readonly ignore?: readonly (keyof ManifestEntry)[];
  /** Paths that are not compared, and what is below them. */
  readonly without?: readonly string[];
}

/** In what `actual` differs from `expected`, one line each. */
export function manifestDifferences(actual: Manifest, expected: Manifest, options: CompareOptions = {}): string[] {
  const { ignore = [], without = [] } = options;
  const skipped = (path: string): boolean => without.some((top) => path === top || path.startsWith(`${top}/`));
  const differences: string[] = [];
  for (const path of new Set([...expected.keys(), ...actual.keys()])) {
    if (skipped(path)) continue;
    const [a, e] = [actual.get(path), expected.get(path)];
    if (a === undefined) differences.push(`${path}: missing`);
    else if (e === undefined) differences.push(`${path}: should not be there`);
    else differences.push(...entryDifferences(path, a, e, ignore));
  }
  return differences;
}

function entryDifferences(
  path: string,
  actual: Partial<ManifestEntry>,
  expected: Partial<ManifestEntry>,
  ignore: readonly string[],
): string[] {
  const keys = new Set([...Object.keys(expected), ...Object.keys(actual)]) as Set<keyof ManifestEntry>;
  return [...keys]
    .filter((key) => !ignore.includes(key))
    .map((key) => ({ key, is: show(actual[key]), should: show(expected[key]) }))
    .filter(({ is, should }) => is !== should)
    .map(({ key, is, should }) => `${path}: ${key} is ${is}, should be ${should}`);
}

function show(value: unknown): string {
  if (typeof value === 'object' && value !== null) {
    return JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))));
  }
  return String(value);
}

/** One assertion: that both are the same; the first differences are shown. */
export function sameManifest(t: Test, actual: Manifest, expected: Manifest, options: CompareOptions = {}): void {
  const differences = manifestDifferences(actual, expected, options);
  t.same(differences.slice(0, 20), [], `${expected.size} entries are the same (${differences.length} differences)`);
}
