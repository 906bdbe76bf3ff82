import { isFilesystemBootSector } from './boot-sector.js';
import type { Probe } from './probe.js';

/** Where a signature stands, of what a partition or a whole disk may begin with. */
const SIGNATURES: readonly (readonly [offset: number, magic: string])[] = [
  [1080, '\x53\xef'],
  [0, 'XFSB'],
  [65_600, '_BHRfS_M'],
  [0, 'LUKS\xba\xbe'],
  [4086, 'SWAPSPACE2'],
  [4086, 'SWAP-SPACE'],
  [512, 'LABELONE'],
  [0, 'LABELONE'],
  [1024, 'LABELONE'],
  [1536, 'LABELONE'],
  [32_769, 'CD001'],
  [4096, '\xfc\x4e\x2b\xa9'],
  [0, '\xfc\x4e\x2b\xa9'],
  [1024, '\x10\x20\xf5\xf2'],
  [0, 'hsqs'],
  [65_588, 'ReIsEr'],
  [32_768, 'JFS1'],
];

/** True if something known begins at `offset`: a guess at whether that is the start of a partition. */
export async function hasContent(probe: Probe, offset: number): Promise<boolean> {
  const sector = await probe.at(offset, 512);
  if (sector === undefined) return false;
  if (sector.readUInt16LE(510) === 0xaa55 && isFilesystemBootSector(sector)) return true;
  for (const [at, magic] of SIGNATURES) if (await probe.has(offset + at, magic)) return true;
  return false;
}
