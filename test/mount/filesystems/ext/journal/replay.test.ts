import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeExtImage, openExt } from '../../../../kit/filesystems/ext-images.js';
import { temporaryDirectory } from '../../../../kit/temporary.js';

const BLOCK_BYTES = 1024;

/** An image whose journal holds a superblock with some bytes changed. */
function imageWithJournalled(t: Test, change: (superblock: Buffer) => void): string {
  const directory = temporaryDirectory(t);
  const options = ['-t', 'ext4', '-b', String(BLOCK_BYTES), '-O', '^metadata_csum,^64bit', '-L', 'before'];
  const image = makeExtImage(directory, { name: 'journal', options });
  const superblock = readFileSync(image).subarray(BLOCK_BYTES, 2 * BLOCK_BYTES);
  change(superblock);
  const block = join(directory, 'block');
  writeFileSync(block, superblock);
  const commands = `jo\njw -b 1 ${block}\njc\n`;
  execFileSync('debugfs', ['-w', '-f', '-', image], { input: commands, stdio: ['pipe', 'ignore', 'ignore'] });
  return image;
}

t.test('the superblock is that of the journal', async (t) => {
  const image = imageWithJournalled(t, (superblock) => superblock.write('after\0', 120));
  const filesystem = await openExt(t, image);
  t.same(filesystem.journal, { state: 'replayed' });
  t.equal(filesystem.label, 'after');
  t.same(filesystem.problems, []);
});

t.test('features that only the journal knows are checked too', async (t) => {
  const image = imageWithJournalled(t, (superblock) => {
    superblock.writeUInt32LE((superblock.readUInt32LE(96) | 0x80000000) >>> 0, 96);
  });
  await t.rejects(openExt(t, image), { code: 'FILESYSTEM_UNREADABLE', message: /0x80000000/ });
});

t.test('a superblock of the journal that makes no sense is left out', async (t) => {
  for (const change of [
    (superblock: Buffer) => superblock.fill(0),
    (superblock: Buffer) => superblock.writeUInt32LE(2, 24),
  ]) {
    const filesystem = await openExt(t, imageWithJournalled(t, change));
    t.equal(filesystem.label, 'before');
    t.equal((await filesystem.stat(filesystem.root)).type, 'directory');
  }
});

t.test('a file system that the journal made larger than its volume is said to be', async (t) => {
  const image = imageWithJournalled(t, (superblock) => {
    superblock.writeUInt32LE(superblock.readUInt32LE(4) + 1024, 4);
  });
  t.match((await openExt(t, image)).problems, [/the volume only 33554432/]);
});
