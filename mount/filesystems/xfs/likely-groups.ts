import { type ByteSource, lengthWithin } from '../../blocks/byte-source.js';

/** How many allocation groups mkfs.xfs makes, the usual number first, and the most that one of them can have. */
const USUAL_GROUPS = [4, 2, 8, 16, 32, 64] as const;
const MOST_GROUP_BYTES = 2 ** 40;
const BLOCK_BYTES = [4096, 1024, 2048, 512, 8192, 16_384, 32_768, 65_536] as const;
const SECTOR_BYTES = [512, 4096, 1024, 2048, 8192, 16_384, 32_768] as const;
/** The headers of free space and of inodes, in the second and third sector of each group: `XAGF` and `XAGI`. */
const HEADERS: readonly (readonly [sector: number, magic: number])[] = [
  [1, 0x58414746],
  [2, 0x58414749],
];
/** Where they have the number of their group and how many blocks it has. */
const NUMBER_AT = 8;
const LENGTH_AT = 12;
/** Where groups of even sizes may end: from the smallest that mkfs.xfs makes on. */
const SCAN = { from: 16 * 2 ** 20, to: 2 ** 30, step: 4 * 2 ** 20 } as const;
const START_BYTES = 65_536 + 512;

/**
 * Where the second allocation group, or another one, may begin, the likeliest first: what is left of the first sectors
 * says how large the groups are; mkfs.xfs makes a usual number of them; and some sizes are tried. A few hundred places.
 * @throws {UmbraError} STORE_DAMAGED
 */
export async function likelyGroups(source: ByteSource): Promise<Set<number>> {
  const start = Buffer.alloc(START_BYTES);
  const length = lengthWithin(source.sizeBytes, START_BYTES, 0);
  if (length > 0) await source.read(start.subarray(0, length), 0);
  const said = start.readUInt32BE(4) * start.readUInt32BE(84);
  const offsets = new Set([said, 2 * said, 3 * said]);
  for (const blocks of groupLengths(start)) for (const blockBytes of BLOCK_BYTES) offsets.add(blocks * blockBytes);
  for (const blockBytes of BLOCK_BYTES) {
    const blocks = Math.floor(source.sizeBytes / blockBytes);
    for (const groups of USUAL_GROUPS) offsets.add(Math.ceil(blocks / groups) * blockBytes);
  }
  offsets.add(MOST_GROUP_BYTES);
  for (let offset: number = SCAN.from; offset <= SCAN.to; offset += SCAN.step) offsets.add(offset);
  return offsets;
}

/** How many blocks the first group has, by its headers. */
function groupLengths(start: Buffer): number[] {
  const lengths: number[] = [];
  for (const sectorBytes of SECTOR_BYTES) {
    for (const [sector, magic] of HEADERS) {
      const at = sector * sectorBytes;
      const isHeader = start.readUInt32BE(at) === magic && start.readUInt32BE(at + NUMBER_AT) === 0;
      if (isHeader) lengths.push(start.readUInt32BE(at + LENGTH_AT));
    }
  }
  return lengths;
}
