import { closeSync, ftruncateSync, openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { setXattr } from '../../../../src/system/xattrs.js';
import { Random, testSeed } from '../../../kit/random.js';
import { temporaryDirectory } from '../../../kit/temporary.js';
import { allExtents } from '../../../kit/filesystems/check-extents.js';
import { makeNtfs, mountNtfs3g, openNtfs } from '../../../kit/filesystems/ntfs-image.js';
import { compressWithWimlib } from '../../../kit/filesystems/wim.js';

const KINDS = [
  { number: 0, type: 'XPRESS', chunkBytes: 4096 },
  { number: 1, type: 'LZX', chunkBytes: 32_768 },
  { number: 2, type: 'XPRESS', chunkBytes: 8192 },
  { number: 3, type: 'XPRESS', chunkBytes: 16_384 },
  { number: 1, type: 'LZX:10', chunkBytes: 32_768 },
  { number: 1, type: 'LZX:100', chunkBytes: 32_768 },
] as const;

/** x86 code, text, what can't be compressed, and zeros. */
function mixedContent(random: Random): Buffer {
  const program = Buffer.alloc(600_000);
  const fd = openSync(process.execPath, 'r');
  readSync(fd, program, 0, program.length, 20_000_000);
  closeSync(fd);
  const text = Buffer.from(Array.from({ length: 9000 }, (_, line) => `line ${line * line} of a text\n`).join(''));
  return Buffer.concat([program, random.bytes(70_000), text, Buffer.alloc(100_000), random.bytes(33)]);
}

function wofReparse(number: number): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(0x80000017, 0);
  bytes.writeUInt16LE(16, 4);
  for (const [index, value] of [1, 2, 1, number].entries()) bytes.writeUInt32LE(value, 8 + 4 * index);
  return bytes;
}

function makeSparse(path: string, sizeBytes: number): void {
  const fd = openSync(path, 'wx');
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);
}

t.test('files that Windows compressed with XPRESS and LZX', async (t) => {
  const directory = temporaryDirectory(t);
  const image = join(directory, 'ntfs.img');
  makeNtfs(image);
  const random = new Random(testSeed(t));
  const content = mixedContent(random);
  const mounted = mountNtfs3g(t, image, ['streams_interface=windows']);
  for (const [index, { number, type, chunkBytes }] of KINDS.entries()) {
    const path = join(mounted.directory, `file-${index}`);
    makeSparse(path, content.length);
    const packed = compressWithWimlib(join(directory, `wim-${index}`), content, { type, chunkBytes });
    writeFileSync(`${path}:WofCompressedData`, packed);
    writeFileSync(`${path}:other`, 'another stream');
    setXattr(path, 'system.ntfs_reparse_data', wofReparse(number));
  }
  mounted.unmount();
  const filesystem = await openNtfs(t, image);
  for (const [index, { type, chunkBytes }] of KINDS.entries()) {
    const item = await filesystem.lookup(filesystem.root, `file-${index}`);
    if (item === undefined) throw new TypeError('no file');
    const stat = await filesystem.stat(item.id);
    t.equal(stat.type, 'file');
    t.equal(stat.sizeBytes, content.length);
    t.ok(stat.blocks > 100 && stat.blocks * 512 < content.length, 'takes what the compressed bytes take');
    const file = await filesystem.open(item.id);
    const whole = Buffer.alloc(content.length + 5);
    t.equal(await file.read(whole, 0), content.length);
    t.ok(whole.subarray(0, content.length).equals(content), `${type} ${chunkBytes}: the same bytes`);
    for (let turn = 0; turn < 30; turn++) {
      const offset = random.below(content.length);
      const part = Buffer.alloc(random.below(60_000));
      const length = await file.read(part, offset);
      if (!part.subarray(0, length).equals(content.subarray(offset, offset + part.length))) t.fail(`read at ${offset}`);
    }
    t.same([...(await filesystem.xattrs(item.id)).keys()].filter((name) => name.startsWith('user.')).sort(), [
      'user.DOSATTRIB',
      'user.other',
    ]);
    const extents = await allExtents(filesystem, item.id);
    t.equal(extents.length, 1);
    t.match(extents[0], {
      kind: 'stored',
      offset: 0,
      length: content.length,
      encoded: true,
      encoding: /^(xpress|lzx)-\d+$/,
    });
  }
});
