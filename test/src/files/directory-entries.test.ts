import t from 'tap';
import type { DirectoryEntries } from '../../../src/files/directory-entries.js';
import { DirectoryReader, WHOLE_DIRECTORY } from '../../../src/files/directory-entries.js';
import { directory, inlineFile, MemoryFilesystem } from '../../kit/filesystems/memory-filesystem.js';

const NAMES = Array.from({ length: 1_000 }, (_, index) => `file-${index}`);
const filesystem = new MemoryFilesystem({
  1: directory(Object.fromEntries(NAMES.map((name) => [name, 2]))),
  2: inlineFile('x'),
});

function namesOf(entries: DirectoryEntries): string[] {
  return typeof entries === 'number' ? [] : [...entries.keys()];
}

t.test('a directory as a whole, if it is not too large', async (t) => {
  t.same(namesOf(await new DirectoryReader(1_000).read(filesystem, 1, WHOLE_DIRECTORY)), NAMES);
  t.equal(await new DirectoryReader(999).read(filesystem, 1, WHOLE_DIRECTORY), 1_000);
  await t.rejects(new DirectoryReader().read(filesystem, 7, WHOLE_DIRECTORY), { code: 'FILESYSTEM_DAMAGED' });
});

t.test('a large directory in parts that have every entry once', async (t) => {
  const reader = new DirectoryReader(100);
  const parts = reader.parts(1_000);
  t.equal(parts.length, 10);
  const read: string[] = [];
  for (const part of parts) {
    const names = namesOf(await reader.read(filesystem, 1, part));
    t.ok(names.length > 40 && names.length < 200, `${names.length} in a part`);
    read.push(...names);
  }
  t.same(read.sort(), [...NAMES].sort());
  t.same(reader.parts(0), [WHOLE_DIRECTORY]);
});
