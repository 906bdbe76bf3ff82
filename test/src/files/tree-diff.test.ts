import t from 'tap';
import type { FileId } from '../../../mount/filesystems/filesystem.js';
import { UnreadPaths } from '../../../src/files/damage.js';
import { Differences } from '../../../src/files/differences.js';
import { DirectoryReader } from '../../../src/files/directory-entries.js';
import { TreeDiff } from '../../../src/files/tree-diff.js';
import { directory, inlineFile, MemoryFilesystem, type MemoryFile } from '../../kit/filesystems/memory-filesystem.js';
import { FilesLab } from '../../kit/files-lab.js';
import { openGuest } from '../../kit/opened-guest.js';

/** A directory of many files and directories, each of which has a file in it; `texts` by number. */
function wide(numbers: readonly number[], texts: ReadonlyMap<number, string>): MemoryFilesystem {
  const files: Record<number, MemoryFile> = {};
  const top: Record<string, FileId> = {};
  for (const number of numbers) {
    top[`entry-${number}`] = 1_000 + number;
    const file = inlineFile(texts.get(number) ?? 'text', { mtimeNs: 1n });
    files[1_000 + number] = number % 10 === 0 ? directory({ inner: 5_000 + number }) : file;
    if (number % 10 === 0) files[5_000 + number] = file;
  }
  return new MemoryFilesystem({ ...files, 1: directory({ many: 2 }), 2: directory(top) });
}

t.test('a directory is compared in parts as it is as a whole', async (t) => {
  const lab = await FilesLab.open(t);
  const name = await lab.backUp(Buffer.alloc(4 * 1024 * 1024, 1));
  const numbers = Array.from({ length: 400 }, (_, index) => index);
  const before = wide(numbers.slice(0, -9), new Map());
  const after = wide(
    numbers.filter((number) => number % 50 !== 7),
    new Map([10, 11, 300].map((number) => [number, 'TEXT'])),
  );
  const [from, to] = [await openGuest(lab, name, before), await openGuest(lab, name, after)];
  const compare = async (directories?: DirectoryReader): Promise<string[]> => {
    const lines: string[] = [];
    const differences = new Differences((items) => {
      lines.push(...items.map(({ change, path, what }) => [change, path, ...what].join(' ')));
      return Promise.resolve();
    });
    const unread = new UnreadPaths();
    const diff = new TreeDiff({
      from,
      to,
      changes: undefined,
      verdicts: lab.verdicts,
      signal: lab.job.signal,
      differences,
      unread,
      onRead: () => undefined,
      onFile: () => undefined,
      ...(directories === undefined ? {} : { directories }),
    });
    await diff.directories({ filesystem: before, id: 1, path: '/vda' }, { filesystem: after, id: 1, path: '/vda' });
    await diff.settleRenames();
    await differences.end();
    t.equal(unread.count, 0);
    return lines.sort();
  };
  const whole = await compare();
  t.same(
    whole.filter((line) => line.startsWith('changed')),
    [
      'changed /vda/many/entry-10/inner content',
      'changed /vda/many/entry-11 content',
      'changed /vda/many/entry-300/inner content',
    ],
  );
  t.equal(whole.length, 3 + 8 + 9);
  for (const most of [395, 100, 16, 1]) t.same(await compare(new DirectoryReader(most)), whole, `${most} at once`);
  await Promise.all([from.close(), to.close()]);
});
