import { statfs } from 'node:fs/promises';

/** The numbers of `stat` that change when a file's content does. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

// A write within the same tick of the clock as the last one seen leaves no trace in the times; some
// file systems keep whole seconds.
const RACY_NS = 2_000_000_000n;

/** File systems of this machine, where a write always changes the times; statfs(2) lists the numbers. */
const TRUSTED_TYPES: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xf2f52010, // f2fs
  0xca451a4e, // bcachefs
  0x2fc12fc1, // zfs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs
]);

/** One string for the numbers. */
export function identityText({ dev, ino, size, mtimeNs, ctimeNs }: FileIdentity): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

/** One string for the numbers that a write changes, and a new owner or label does not. */
export function writtenText({ dev, ino, size, mtimeNs }: FileIdentity): string {
  return [dev, ino, size, mtimeNs].join(':');
}

/**
 * True if equal identities, this one and one seen later, prove equal content: the last write is so
 * long ago that any later one has another time.
 * @param nowMs - wall-clock time at which `identity` was read
 */
export function isSettled({ mtimeNs, ctimeNs }: FileIdentity, nowMs: number): boolean {
  const nowNs = BigInt(Math.floor(nowMs)) * 1_000_000n;
  return mtimeNs < nowNs - RACY_NS && ctimeNs < nowNs - RACY_NS;
}

/** True if the file system that holds `path` keeps honest times; network and FUSE file systems may not. */
export async function hasTrustedTimes(path: string): Promise<boolean> {
  return TRUSTED_TYPES.has((await statfs(path)).type >>> 0);
}
