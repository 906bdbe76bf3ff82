import t from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import { discover } from '../../../../mount/disk/discover.js';
import { lvmCrc, readLabel } from '../../../../mount/disk/lvm/label.js';
import { readMetadataArea } from '../../../../mount/disk/lvm/metadata-area.js';
import { Probe } from '../../../../mount/disk/probe.js';
import { memorySource } from '../../../kit/filesystems/sources.js';

const AREA = { offset: 4096, sizeBytes: 4096 };
const TEXT = Buffer.from(`vg0 { ${'# a long text\n'.repeat(20)} }\0`);

/** An image with a metadata area in which the text begins at `textAt`, and goes on behind the header at its end. */
function area(textAt: number, change?: (header: Buffer) => void): Buffer {
  const image = Buffer.alloc(8192);
  for (const [index, byte] of TEXT.entries()) {
    const at = textAt + index;
    image[AREA.offset + (at < AREA.sizeBytes ? at : at - AREA.sizeBytes + 512)] = byte;
  }
  const header = image.subarray(AREA.offset, AREA.offset + 512);
  header.write(' LVM2 x[5A%r0N*>', 4, 'latin1');
  header.writeUInt32LE(1, 20);
  header.writeUInt32LE(textAt, 40);
  header.writeUInt32LE(TEXT.length, 48);
  header.writeUInt32LE(lvmCrc(TEXT), 56);
  change?.(header);
  header.writeUInt32LE(lvmCrc(header.subarray(4)), 0);
  return image;
}

function probeOf(image: Buffer): Probe {
  return new Probe(memorySource(image), new BlockCache(1024 * 1024));
}

t.test('the text, in one piece and around the end of the ring', async (t) => {
  for (const textAt of [512, 1000, 3900, 4095]) {
    const { text, problem } = await readMetadataArea(probeOf(area(textAt)), AREA);
    t.equal(problem, undefined);
    t.equal(text, TEXT.toString('latin1').slice(0, -1));
  }
});

t.test('areas without a text', async (t) => {
  const read = async (change: (header: Buffer) => void): Promise<unknown> =>
    await readMetadataArea(probeOf(area(512, change)), AREA);
  t.same(await read((header) => header.writeUInt32LE(0, 40)), {}, 'never written');
  t.same(await read((header) => header.writeUInt32LE(1, 60)), {}, 'not to be used');
  const senseless = { problem: 'the header of a metadata area makes no sense' };
  t.same(await read((header) => header.writeUInt32LE(511, 40)), senseless);
  t.same(await read((header) => header.writeUInt32LE(4096, 40)), senseless);
  t.same(await read((header) => header.writeUInt32LE(4000, 48)), senseless);
  t.same(await read((header) => header.writeUInt32LE(9, 56)), { problem: 'the checksum of the metadata is wrong' });
  const outside = { problem: 'a metadata area lies outside of it, or cannot be read' };
  t.same(await readMetadataArea(probeOf(area(512)), { offset: 8000, sizeBytes: 4096 }), outside);
  const short = probeOf(area(3900).subarray(0, 8000));
  t.same(await readMetadataArea(short, AREA), outside, 'its end is missing');
});

/** A label with these lists of areas, as offsets. */
function labelled(areas: readonly number[], at = 32): Buffer {
  const image = Buffer.alloc(8192);
  const sector = image.subarray(512, 1024);
  sector.write('LABELONE');
  sector.writeUInt32LE(1, 8);
  sector.writeUInt32LE(at, 20);
  sector.write('LVM2 001', 24);
  sector.write('abcdefghijklmnopqrstuvwxyzABCDEF', 32);
  areas.forEach((offset, index) => sector.writeUInt32LE(offset, 72 + index * 16));
  sector.writeUInt32LE(lvmCrc(sector.subarray(20)), 16);
  return image;
}

t.test('labels', async (t) => {
  const uuid = 'abcdef-ghij-klmn-opqr-stuv-wxyz-ABCDEF';
  t.same(await readLabel(probeOf(labelled([8, 0, 4096]))), { uuid, metadataAreas: [{ offset: 4096, sizeBytes: 0 }] });
  const endless = await readLabel(probeOf(labelled(new Array<number>(27).fill(8))));
  t.equal(endless?.metadataAreas.length, 11, 'a list ends with its sector');
  t.equal(await readLabel(probeOf(labelled([], 500))), undefined, 'it must fit');
  t.equal(await readLabel(probeOf(labelled([]).fill(9, 600, 601))), undefined, 'its checksum');
  const moved = labelled([]);
  moved.copyWithin(1024, 512, 1024).fill(0, 512, 1024);
  t.equal(await readLabel(probeOf(moved)), undefined, 'it says where it stands');
});

t.test('a physical volume that nothing describes', async (t) => {
  t.match(await discover([{ name: 'vda', source: memorySource(labelled([8, 0, 0])) }]), [
    { name: 'vda', unreadable: { what: /belongs to no volume group/, hint: /other disks of its group/ }, problems: [] },
  ]);
});
