import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { FileId, Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { getXattr, listXattrs } from '../../../../src/system/xattrs.js';
import { corpusImage, corpusTest } from '../../../kit/filesystems/corpus.js';
import { loopMount } from '../../../kit/filesystems/loop-mount.js';
import { sha256OfReader } from '../../../kit/filesystems/manifest.js';
import { memorySource } from '../../../kit/filesystems/sources.js';
import { lookupFailures, openXfs, xfsDb } from '../../../kit/filesystems/xfs-image.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

/** Files that are larger are sparse ones of a TiB: only their ends are compared. */
const MOST_BYTES = 64 * 1024 * 1024;

function image(t: Test, corpus: string, name: string): string {
  const file = join(temporaryDirectory(t), 'xfs.img');
  writeFileSync(file, execFileSync('zstd', ['-dcq', join(corpus, 'xfuse/resources', name)], { maxBuffer: 2 ** 30 }));
  return file;
}

/** What differs between a directory of the reader and one of the kernel, and below. */
async function differences(filesystem: Filesystem, id: FileId, path: string): Promise<string[]> {
  const wrong: string[] = [];
  const names: string[] = [];
  for await (const batch of filesystem.readDirectory(id)) {
    for (const { name, id: child } of batch) {
      names.push(name);
      wrong.push(...(await entryDifferences(filesystem, child, join(path, name))));
    }
  }
  if (JSON.stringify(names.sort()) !== JSON.stringify(readdirSync(path).sort())) wrong.push(`${path}: names`);
  return wrong;
}

async function entryDifferences(filesystem: Filesystem, id: FileId, path: string): Promise<string[]> {
  const stat = await filesystem.stat(id);
  const kernel = lstatSync(path, { bigint: true });
  const { permissions, nlink, uid, gid, sizeBytes, blocks, mtimeNs } = stat;
  const actual = [permissions, nlink, uid, gid, sizeBytes, blocks, mtimeNs].map(BigInt).join();
  const expected = [
    kernel.mode & 0o7777n,
    kernel.nlink,
    kernel.uid,
    kernel.gid,
    kernel.size,
    kernel.blocks,
    kernel.mtimeNs,
  ];
  const wrong = actual === expected.join() ? [] : [`${path}: ${actual} instead of ${expected.join()}`];
  const xattrs = Object.fromEntries(listXattrs(path).map((name) => [name, getXattr(path, name).toString('hex')]));
  for (const [name, value] of await filesystem.xattrs(id)) {
    if (xattrs[name] !== Buffer.from(value).toString('hex')) wrong.push(`${path}: ${name}`);
    xattrs[name] = '';
  }
  wrong.push(...Object.entries(xattrs).flatMap(([name, value]) => (value === '' ? [] : [`${path}: no ${name}`])));
  if (stat.type === 'directory') return [...wrong, ...(await differences(filesystem, id, path))];
  if (stat.type === 'symlink' && (await filesystem.readlink(id)) !== readlinkSync(path)) wrong.push(`${path}: target`);
  if (stat.type === 'file' && sizeBytes <= MOST_BYTES) {
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    if ((await sha256OfReader(filesystem, id)) !== sha256) wrong.push(`${path}: content`);
  }
  return wrong;
}

corpusTest(t, "another reader's test image shows as in the kernel", async (t, corpus) => {
  const file = image(t, corpus, 'xfs4096.img.zst');
  const filesystem = await openXfs(memorySource(readFileSync(file)));
  const mount = loopMount(t, file, ['ro', 'norecovery'], 'xfs');
  t.same(await differences(filesystem, filesystem.root, mount.directory), []);
  t.same(await lookupFailures(filesystem), []);
  mount.unmount();
});

corpusTest(t, 'version 4 without types in directories, blocks of 512 bytes', async (t, corpus) => {
  const file = image(t, corpus, 'xfs_noftype.img.zst');
  const filesystem = await openXfs(memorySource(readFileSync(file)));
  for (const directory of ['sf', 'block']) {
    const listed = xfsDb(file, `ls /${directory}`)
      .split('\n')
      .map((line) => line.split(/\s+/))
      .filter(([, , , , , name]) => name !== undefined && name !== '.' && name !== '..')
      .map(([, inode, , , , name]) => `${name} ${inode}`);
    const id = (await filesystem.lookup(filesystem.root, directory))?.id ?? 0;
    const shown: string[] = [];
    for await (const batch of filesystem.readDirectory(id))
      shown.push(...batch.map((item) => `${item.name} ${item.id}`));
    t.same(shown.sort(), listed.sort());
    t.not(shown.length, 0);
  }
  t.same(await lookupFailures(filesystem), []);
});

corpusTest(t, 'files on a realtime device are refused, the others are read', async (t, corpus) => {
  const filesystem = await openXfs(memorySource(readFileSync(image(t, corpus, 'xfs_rt1.img.zst'))));
  t.match(filesystem.problems, [/realtime device/]);
  const files = (await filesystem.lookup(filesystem.root, 'files'))?.id ?? 0;
  const realtime = (await filesystem.lookup(files, 'rtfile.txt'))?.id ?? 0;
  t.equal((await filesystem.stat(realtime)).sizeBytes, 33_558_528);
  await t.rejects(async () => filesystem.open(realtime), { code: 'FILESYSTEM_UNREADABLE', hint: /both devices/ });
  await t.rejects(filesystem.extents(realtime)[Symbol.asyncIterator]().next(), { code: 'FILESYSTEM_UNREADABLE' });
  t.equal((await filesystem.stat(files)).type, 'directory');
});

corpusTest(t, "util-linux's image for blkid", async (t, corpus) => {
  const bytes = corpusImage(corpus, 'util-linux/tests/ts/blkid/images-fs/xfs.img.xz');
  const expected = readFileSync(join(corpus, 'util-linux/tests/expected/blkid/low-probe-xfs'), 'utf8');
  const filesystem = await openXfs(memorySource(bytes));
  t.match(expected, `ID_FS_LABEL=${filesystem.label}\n`);
  t.match(expected, `ID_FS_UUID=${filesystem.uuid}\n`);
});
