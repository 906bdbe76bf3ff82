import { uuidAt } from '../guid.js';
import type { Probe } from '../probe.js';
import type { MdSuperblock } from './md-superblock.js';

const SECTOR_BYTES = 512;
const MAGIC = 0xa92b4efc;
const HEADER_BYTES = 256;
const MAX_ROLES = 1920;
const MAX_MEMBERS_ROLE = 0xff00;
const RECOVERING = 2;
const RESHAPING = 4;
const REPLACEMENT = 16;
const JOURNAL = 512;
/** RAID 0 of members of different sizes has had two layouts. */
const RAID0_LAYOUT = 4096;

/** Where the three versions stand: 8 KiB or more before the end, at the start, and 4 KiB behind it. */
function places(sizeBytes: number): readonly (readonly [version: '1.0' | '1.1' | '1.2', offset: number])[] {
  const sectors = Math.floor(sizeBytes / SECTOR_BYTES) - 16;
  return [
    ['1.2', 4096],
    ['1.1', 0],
    ['1.0', (sectors - (sectors % 8)) * SECTOR_BYTES],
  ];
}

/** A superblock of version 1.0, 1.1 or 1.2 (struct mdp_superblock_1 of include/uapi/linux/raid/md_p.h). */
export async function readSuperblock1(probe: Probe): Promise<MdSuperblock | undefined> {
  for (const [version, offset] of places(probe.sizeBytes)) {
    const header = offset < 0 ? undefined : await probe.at(offset, HEADER_BYTES);
    if (!isHeader(header, offset)) continue;
    const roles = header.readUInt32LE(220);
    const block = roles > MAX_ROLES ? undefined : await probe.at(offset, HEADER_BYTES + roles * 2);
    const superblock = block && parse(block, version, offset, probe);
    if (superblock !== undefined) return superblock;
  }
  return undefined;
}

function isHeader(header: Buffer | undefined, offset: number): header is Buffer {
  if (header?.readUInt32LE(0) !== MAGIC || header.readUInt32LE(4) !== 1) return false;
  return header.readBigUInt64LE(144) === BigInt(offset / SECTOR_BYTES);
}

function parse(
  block: Buffer,
  version: '1.0' | '1.1' | '1.2',
  superblockAt: number,
  probe: Probe,
): MdSuperblock | undefined {
  if (checksum(block) !== block.readUInt32LE(216)) return undefined;
  const sectors = (at: number): number => Number(block.readBigUInt64LE(at)) * SECTOR_BYTES;
  const features = block.readUInt32LE(8);
  const name = block.toString('utf8', 32, 64);
  const level = block.readInt32LE(72);
  const obstacle = obstacleOf(features);
  return {
    version,
    uuid: uuidAt(block, 16),
    arrayName: name.replace(/\0.*$/s, ''),
    level,
    layout: level === 0 && (features & RAID0_LAYOUT) === 0 ? 0 : block.readUInt32LE(76),
    chunkBytes: block.readUInt32LE(88) * SECTOR_BYTES,
    members: block.readUInt32LE(92),
    usedBytes: sectors(80),
    dataStart: sectors(128),
    dataBytes: Math.min(sectors(136), probe.sizeBytes - sectors(128)),
    events: block.readBigUInt64LE(200),
    role: roleOf(block, features),
    inSync: (features & RECOVERING) === 0,
    ...(obstacle !== undefined && { obstacle }),
    superblockAt,
  };
}

function roleOf(block: Buffer, features: number): number | undefined {
  const at = HEADER_BYTES + block.readUInt32LE(160) * 2;
  if (at + 2 > block.length || (features & REPLACEMENT) !== 0) return undefined;
  const role = block.readUInt16LE(at);
  return role < MAX_MEMBERS_ROLE ? role : undefined;
}

function obstacleOf(features: number): string | undefined {
  if ((features & RESHAPING) !== 0) return 'it is being reshaped';
  if ((features & JOURNAL) !== 0) return 'it has a journal, which may hold the newest data';
  return undefined;
}

/** The sum of its words, the checksum itself left out (calc_sb_1_csum of drivers/md/md.c). */
function checksum(block: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 4 <= block.length; at += 4) if (at !== 216) sum += block.readUInt32LE(at);
  if (block.length % 4 === 2) sum += block.readUInt16LE(block.length - 2);
  return ((sum % 2 ** 32) + Math.floor(sum / 2 ** 32)) >>> 0;
}
