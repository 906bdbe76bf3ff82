import { link } from 'node:fs/promises';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { TargetDirectory, type NamingCalls } from '../../../src/files/target-directory.js';
import { renameWithoutReplacing } from '../../../src/system/file-metadata.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const NAME = Buffer.from('file');

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** What file systems can do: all; what sshfs can without its extensions; what FAT would without them. */
const KINDS: Readonly<Record<string, NamingCalls>> = {
  'that know everything': { renameWithoutReplacing, link },
  'that only know links': {
    renameWithoutReplacing: () => {
      throw failure('EINVAL');
    },
    link,
  },
  'that know neither': {
    renameWithoutReplacing: () => {
      throw failure('ENOSYS');
    },
    link: () => Promise.reject(failure('EPERM')),
  },
};

for (const [kind, calls] of Object.entries(KINDS)) {
  t.test(`a file gets its name on file systems ${kind}`, async (t) => {
    const path = temporaryDirectory(t);
    const target = await TargetDirectory.open(path, calls);
    t.teardown(() => target.close());
    const make = async (text: string): Promise<Buffer> => {
      const partial = target.partialName();
      const handle = await target.create(partial);
      await handle.writeFile(text);
      await handle.close();
      return partial;
    };
    await target.finish(await make('first'), NAME, false);
    t.same(readdirSync(path), ['file']);
    t.equal(readFileSync(join(path, 'file'), 'utf8'), 'first');
    const second = await make('second');
    await t.rejects(target.finish(second, NAME, false), { code: 'EEXIST' });
    t.equal(readFileSync(join(path, 'file'), 'utf8'), 'first', 'what is there stays');
    await target.finish(second, NAME, true);
    t.same(readdirSync(path), ['file']);
    t.equal(readFileSync(join(path, 'file'), 'utf8'), 'second');

    const inner = await target.make(Buffer.from('inner'));
    t.teardown(() => inner.close());
    const third = inner.partialName();
    await t.rejects(inner.finish(third, NAME, false), { code: 'ENOENT' });
    t.same(readdirSync(join(path, 'inner')), [], 'no name without a file');
  });
}

t.test('other failures are not taken for what a file system does not know', async (t) => {
  const path = temporaryDirectory(t);
  const denied = (): never => {
    throw failure('EACCES');
  };
  const target = await TargetDirectory.open(path, { renameWithoutReplacing: denied, link });
  t.teardown(() => target.close());
  writeFileSync(join(path, 'partial'), '');
  await t.rejects(target.finish(Buffer.from('partial'), NAME, false), { code: 'EACCES' });
  t.notOk(existsSync(join(path, 'file')));
});

t.test('directories and what is in them', async (t) => {
  const path = temporaryDirectory(t);
  mkdirSync(join(path, 'there'));
  const target = await TargetDirectory.open(path);
  t.teardown(() => target.close());
  t.equal(await target.lstat(NAME), undefined);
  t.ok((await target.lstat(Buffer.from('there')))?.isDirectory());
  await t.rejects(target.make(Buffer.from('there')), { code: 'EEXIST' });
  await t.rejects(target.lstat(Buffer.from('n'.repeat(300))), { code: 'ENAMETOOLONG' });
  await target.removeEmpty(Buffer.from('there'));
  t.same(readdirSync(path), []);
  await target.removeEmpty(Buffer.from('there'));
  await target.discard(Buffer.from('there'));
});
