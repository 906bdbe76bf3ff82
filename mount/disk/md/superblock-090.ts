import type { Probe } from '../probe.js';
import type { MdSuperblock } from './md-superblock.js';

const MAGIC = 0xa92b4efc;
const BLOCK_BYTES = 4096;
const RESERVED_BYTES = 65_536;
const THIS_DISK_AT = 992 * 4;
const SYNC = 4;
const FAULTY = 1;

/**
 * A superblock of version 0.90, 64 KiB or more before the end and aligned to that (mdp_super_t of
 * include/uapi/linux/raid/md_p.h). It stands in the byte order of the machine that made it.
 */
export async function readSuperblock090(probe: Probe): Promise<MdSuperblock | undefined> {
  const offset = Math.floor(probe.sizeBytes / RESERVED_BYTES) * RESERVED_BYTES - RESERVED_BYTES;
  const block = offset < 0 ? undefined : await probe.at(offset, BLOCK_BYTES);
  if (block === undefined) return undefined;
  const little = block.readUInt32LE(0) === MAGIC;
  if (!little && block.readUInt32BE(0) !== MAGIC) return undefined;
  const word = (index: number): number => (little ? block.readUInt32LE(index * 4) : block.readUInt32BE(index * 4));
  if (word(1) !== 0 || word(2) < 90 || checksum(word) !== word(38)) return undefined;
  return parse(word, little, offset, probe);
}

function parse(word: (index: number) => number, little: boolean, superblockAt: number, probe: Probe): MdSuperblock {
  const state = word(THIS_DISK_AT / 4 + 4);
  const current = (state & FAULTY) === 0 && (state & SYNC) !== 0;
  const reshaping = word(2) >= 91;
  return {
    version: '0.90',
    uuid: [5, 13, 14, 15]
      .map((index) => word(index))
      .reduce(appendUuid, '')
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    arrayName: String(word(11)),
    level: word(7) | 0,
    layout: word(64),
    chunkBytes: word(65),
    members: word(10),
    usedBytes: word(8) * 1024,
    dataStart: 0,
    dataBytes: Math.min(superblockAt, probe.sizeBytes),
    events: (BigInt(word(little ? 40 : 39)) << 32n) | BigInt(word(little ? 39 : 40)),
    role: current ? word(THIS_DISK_AT / 4 + 3) : undefined,
    inSync: current,
    ...(reshaping && { obstacle: 'it is being reshaped' }),
    superblockAt,
  };
}

/** `blkid` prints the four words of the identifier as the bytes stand in a little-endian machine. */
function appendUuid(text: string, word: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(word);
  return text + bytes.toString('hex');
}

/** The sum of all words but the checksum (calc_sb_csum of drivers/md/md.c). */
function checksum(word: (index: number) => number): number {
  let sum = 0;
  for (let index = 0; index < BLOCK_BYTES / 4; index++) if (index !== 38) sum += word(index);
  return ((sum % 2 ** 32) + Math.floor(sum / 2 ** 32)) >>> 0;
}
