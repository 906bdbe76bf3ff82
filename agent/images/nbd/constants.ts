/** Numbers of the NBD protocol (github.com/NetworkBlockDevice/nbd, doc/proto.md). */

export const GREETING = Buffer.from('NBDMAGICIHAVEOPT', 'latin1');
export const OPTION_MAGIC = Buffer.from('IHAVEOPT', 'latin1');
export const OPTION_REPLY_MAGIC = 0x0003_e889_0455_65a9n;
export const REQUEST_MAGIC = 0x2560_9513;
export const SIMPLE_REPLY_MAGIC = 0x6744_6698;
export const STRUCTURED_REPLY_MAGIC = 0x668e_33ef;

/** Flags of the handshake; the client answers with the same bits. */
export const HANDSHAKE = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const OPTION = { abort: 2, go: 7, structuredReply: 8, setMetaContext: 10 } as const;

export const OPTION_REPLY = {
  ack: 1,
  info: 3,
  metaContext: 4,
  errorBit: 0x8000_0000,
  unknownExport: 0x8000_0006,
} as const;

export const INFO = { export: 0, blockSize: 3 } as const;

/** Flags of an export. */
export const TRANSMISSION = { hasFlags: 1, readOnly: 2, sendFlush: 4, sendWriteZeroes: 64 } as const;

export const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3, writeZeroes: 6, blockStatus: 7 } as const;
export type Command = (typeof COMMAND)[keyof typeof COMMAND];

/** Flag of `writeZeroes`: allocate the range, make no hole. */
export const NO_HOLE = 2;

export const CHUNK = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: 0x8001,
  errorBit: 0x8000,
} as const;
export const CHUNK_DONE = 1;

/** The meta context that says what is allocated, and the bit of its flags for "reads as zeros". */
export const ALLOCATION_CONTEXT = 'base:allocation';
export const ALLOCATION_ZERO = 2;

/** QEMU's meta context that says in which layer of a chain something lies: 1 is the top, 0 is none. */
export const DEPTH_CONTEXT = 'qemu:allocation-depth';

/** Bit of the flags of QEMU's context `qemu:dirty-bitmap:NAME`. */
export const BITMAP_DIRTY = 1;

/** The meta context of a dirty bitmap that QEMU exports. */
export function bitmapContext(bitmap: string): string {
  return `qemu:dirty-bitmap:${bitmap}`;
}

/** The error numbers that the protocol defines. */
export const ERROR_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'EPERM'],
  [5, 'EIO'],
  [12, 'ENOMEM'],
  [22, 'EINVAL'],
  [28, 'ENOSPC'],
  [75, 'EOVERFLOW'],
  [95, 'ENOTSUP'],
  [108, 'ESHUTDOWN'],
]);

/** The longest request that a server takes that names no limit. */
export const DEFAULT_MAXIMUM_BYTES = 32 * 1024 * 1024;
