import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { lvmCrc } from '../../../mount/disk/lvm/label.js';
import type { FuzzBase } from './fuzz.js';
import { makeGroup, segmentText, volumeText } from './lvm.js';
import { writeMdSuperblock } from './md.js';
import { sfdisk, sparseFile } from './partitioned.js';

const MIB = 1024 * 1024;

/** What the readers of partition tables, LVM and md are to be tried with. */
export function fuzzBases(t: Test): FuzzBase[] {
  return [...tables(t), group(t), array()];
}

function tables(t: Test): FuzzBase[] {
  return [
    'label: gpt\nsize=1MiB\nsize=2MiB, type=S\n',
    'label: dos\nsize=1MiB\nsize=5MiB, type=5\nvda5: size=1MiB\nvda6: size=1MiB\n',
  ].map((script) => {
    const file = sparseFile(t, 8 * MIB);
    sfdisk(file, script);
    const regions = [
      { offset: 446, length: 66 },
      { offset: 512, length: 1024 },
      { offset: 2 * MIB + 446, length: 66 },
      { offset: 8 * MIB - 512, length: 512 },
    ];
    return { images: [readFileSync(file)], regions };
  });
}

const HIDDEN = '"READ", "WRITE"';

function group(t: Test): FuzzBase {
  const made = makeGroup(t, 'vg0', [8, 8]);
  const leg = (name: string, pv: number, from: number): string =>
    volumeText(name, [segmentText(0, 1, 'striped', `stripe_count = 1\nstripes = ["pv${pv}", ${from}]`)], HIDDEN);
  made.restore(
    [
      volumeText('root', [
        segmentText(0, 1, 'striped', 'stripe_count = 1\nstripes = ["pv0", 0]'),
        segmentText(1, 2, 'striped', 'stripe_count = 2\nstripe_size = 8\nstripes = ["pv0", 1, "pv1", 0]'),
      ]),
      volumeText('r1', [
        segmentText(
          0,
          1,
          'raid1',
          'device_count = 2\nregion_size = 1024\nraids = ["r1_rmeta_0", "r1_rimage_0", "r1_rmeta_1", "r1_rimage_1"]',
        ),
      ]),
      ...[leg('r1_rmeta_0', 0, 2), leg('r1_rimage_0', 0, 3), leg('r1_rmeta_1', 1, 2), leg('r1_rimage_1', 1, 3)],
      volumeText('snapshot0', [segmentText(0, 1, 'snapshot', 'chunk_size = 8\norigin = "root"\ncow_store = "snap"')]),
      leg('snap', 0, 4),
    ].join('\n'),
  );
  const images = made.files.map((file) => readFileSync(file));
  images[0]?.writeUInt32LE(0x70416e53, 5 * MIB);
  [1, 1, 8].forEach((value, index) => images[0]?.writeUInt32LE(value, 5 * MIB + 4 + index * 4));
  [3, 2, 1, 3].forEach((value, index) => images[0]?.writeBigUInt64LE(BigInt(value), 5 * MIB + 4096 + index * 8));
  const textAt = 4096 + (images[0]?.readUInt32LE(4096 + 40) ?? 0);
  const regions = [
    { offset: 512, length: 200 },
    { offset: 4096, length: 100 },
    { offset: textAt, length: 4000 },
    { offset: textAt + 300, length: 3000 },
    { offset: 5 * MIB, length: 16 },
    { offset: 5 * MIB + 4096, length: 64 },
  ];
  return { images, regions, mend: mendLvm };
}

/** Right checksums for the label, the header of the metadata area and the text. */
function mendLvm(image: Buffer): void {
  const [at, length] = [image.readUInt32LE(4096 + 40), image.readUInt32LE(4096 + 48)];
  if (at + length < MIB) image.writeUInt32LE(lvmCrc(image.subarray(4096 + at, 4096 + at + length)), 4096 + 56);
  image.writeUInt32LE(lvmCrc(image.subarray(4100, 4608)), 4096);
  image.writeUInt32LE(lvmCrc(image.subarray(532, 1024)), 528);
}

function array(): FuzzBase {
  const spec = { level: 5, layout: 2, members: 3, usedSectors: 2048, chunkSectors: 8 };
  const images = [0, 1, 2].map((role) => {
    const image = Buffer.alloc(2 * MIB);
    writeMdSuperblock(image, { ...spec, role });
    return image;
  });
  return { images, regions: [{ offset: 4096, length: 270 }], mend: mendMd };
}

function mendMd(image: Buffer): void {
  const length = 256 + Math.min(1920, image.readUInt32LE(4096 + 220)) * 2;
  const block = image.subarray(4096, 4096 + length);
  let sum = 0;
  for (let at = 0; at + 4 <= length; at += 4) if (at !== 216) sum += block.readUInt32LE(at);
  if (length % 4 === 2) sum += block.readUInt16LE(length - 2);
  block.writeUInt32LE(((sum % 2 ** 32) + Math.floor(sum / 2 ** 32)) >>> 0, 216);
}
