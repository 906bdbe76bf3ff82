import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { makeNode } from '../../../src/system/file-metadata.js';
import { setXattr } from '../../../src/system/xattrs.js';
import { ext4Image, fakeLab, FilesLab, writeTree } from '../../kit/files-lab.js';
import { loopMount } from '../../kit/filesystems/loop-mount.js';
import { directoryManifest, sameManifest } from '../../kit/filesystems/manifest.js';
import { directory, inlineFile, type MemoryFile } from '../../kit/filesystems/memory-filesystem.js';
import { Random } from '../../kit/random.js';

/** A tree with everything that a copy keeps. */
function richTree(tree: string): void {
  const random = new Random(3);
  writeTree(tree, {
    'plain.txt': 'text',
    empty: '',
    sparse: 'begin',
    big: random.bytes(2_500_000),
    deep: { deeper: { deepest: { file: 'x' } } },
    private: { secret: 's' },
    'Ünïcode 文': 'u',
  });
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/latin-`), Buffer.of(0xe9)]), 'latin');
  writeFileSync(Buffer.from(`${tree}/new\nline`), 'n');
  truncateSync(join(tree, 'sparse'), 5_000_000);
  symlinkSync('plain.txt', join(tree, 'link'));
  symlinkSync('/etc/passwd', join(tree, 'deep', 'absolute'));
  execFileSync('ln', [join(tree, 'big'), join(tree, 'deep', 'deeper', 'big-again')]);
  execFileSync('chown', ['1234:5678', join(tree, 'plain.txt')]);
  execFileSync('chmod', ['4750', join(tree, 'plain.txt')]);
  execFileSync('chown', ['-h', '4321:8765', join(tree, 'link')]);
  execFileSync('chmod', ['1777', join(tree, 'deep')]);
  setXattr(join(tree, 'plain.txt'), 'user.comment', Buffer.from('äöü'));
  setXattr(join(tree, 'deep'), 'trusted.x', Buffer.of(0, 1, 2));
  execFileSync('setfacl', ['-m', 'u:1000:rw,d:g:2000:rx', join(tree, 'private')]);
  makeNode(join(tree, 'null'), 'character-device', 0o666, { major: 1, minor: 3 });
  makeNode(join(tree, 'block'), 'block-device', 0o640, { major: 7, minor: 300 });
  makeNode(join(tree, 'fifo'), 'fifo', 0o622);
  makeNode(join(tree, 'socket'), 'socket', 0o755);
  for (const name of ['deep', 'plain.txt']) utimesSync(join(tree, name), 1_500_000_000, 1_600_000_000.5);
}

t.test('everything is as the kernel shows it', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, image, target] = ['tree', 'image', 'target'].map((name) => join(lab.directory, name)) as [
    string,
    string,
    string,
  ];
  richTree(tree);
  ext4Image(image, tree, 64);
  await lab.backUp(image);
  // What a directory gives to files that are made in it must not come to the copy.
  mkdirSync(target);
  execFileSync('setfacl', ['-m', 'd:u:4000:rwx', target]);
  const result = await lab.copy('/vda', target);
  t.equal(result.to, join(target, 'vda'));
  t.match(result, { files: 9, directories: 6, symlinks: 2, hardLinks: 1, specialFiles: 4, owners: true });
  t.match(result, { problems: [], readProblems: 0, writeProblems: 0, metadataProblems: 0 });
  t.ok(result.writtenBytes < 3_000_000, 'holes are not written');
  const mount = loopMount(t, image, ['ro', 'noload']);
  // Blocks depend on the file system; times of change and of access by comparing can't be set.
  const ignore = ['ctimeNs', 'atimeNs', 'blocks', 'nlink'] as const;
  const actual = directoryManifest(result.to);
  const expected = directoryManifest(mount.directory);
  for (const manifest of [actual, expected]) {
    for (const entry of manifest.values()) if (entry.type === 'directory') delete entry.sizeBytes;
  }
  sameManifest(t, actual, expected, { ignore });
  t.equal(lstatSync(join(result.to, 'sparse')).blocks < 100, true, 'holes are holes');
  t.match(lab.progress, [/^copying/]);

  const single = await lab.copy('/vda/plain.txt', join(lab.directory, 'alone'), { recursive: false });
  t.match(single, { to: join(lab.directory, 'alone'), files: 1, directories: 0 });
  t.equal(statSync(single.to).mode & 0o7777, 0o4750);
  t.equal(readlinkSync((await lab.copy('/vda/link', lab.directory)).to), 'plain.txt', 'a link is copied as one');
});

t.test('the content of single files, and listings', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, image] = [join(lab.directory, 'tree'), join(lab.directory, 'image')];
  const big = new Random(4).bytes(700_000);
  writeTree(tree, { etc: { a: 'text', big, empty: '' } });
  symlinkSync('etc/a', join(tree, 'to-a'));
  symlinkSync('/etc', join(tree, 'to-etc'));
  symlinkSync('circle', join(tree, 'circle'));
  symlinkSync('../../etc/./a', join(tree, 'etc', 'up'));
  ext4Image(image, tree);
  const name = await lab.backUp(image);
  t.same(await lab.read('/vda/etc/big'), big);
  t.same((await lab.read('/vda/etc/empty')).length, 0);
  for (const path of ['/vda/to-a', '/vda/to-etc/a', '/vda/etc/up', '/vda/to-etc/up']) {
    t.equal((await lab.read(path)).toString(), 'text', path);
  }
  await t.rejects(lab.read('/vda/circle'), { code: 'NOT_FOUND', message: /too many symbolic links/ });
  await t.rejects(lab.read('/vda/etc'), { code: 'BAD_ARGUMENT', message: /is a directory/ });
  await t.rejects(lab.read('/vda/etc/a/b'), { code: 'NOT_FOUND', message: /not a directory/ });
  await t.rejects(lab.read('/vda/etc/nothing-like-it'), { code: 'NOT_FOUND', hint: /umbra ls/ });
  t.equal(lab.memory.store.leases.listings().length, 0, 'nothing keeps the shadow copy');

  const [top] = await lab.list();
  t.match(top.filesystems, [{ name: 'vda', type: 'ext4', sizeBytes: 32 * 1024 * 1024, journal: 'clean' }]);
  t.ok((top.filesystems?.[0]?.usedBytes ?? 0) > 0);
  const [, plain] = await lab.list('/vda/etc');
  t.same(
    plain.map((file) => file.name),
    ['a', 'big', 'empty', 'up'],
  );
  const [result, detailed] = await lab.list('/vda/to-etc/big', { details: true, version: name });
  t.match(result, { isDirectory: false, files: 1, shadowCopy: name });
  t.match(detailed, [{ name: 'big', type: 'file', stat: { sizeBytes: 700_000, permissions: 0o644 } }]);
  t.match((await lab.list('/vda', { details: true }))[1].find((file) => file.name === 'to-a')?.stat?.target, 'etc/a');
});

t.test('a second name of a file that lies deeper than a path can say', async (t) => {
  const files: Record<number, MemoryFile> = { 2: inlineFile('linked') };
  const names = Array.from({ length: 20 }, (_, index) => `${index}`.padEnd(250, '-'));
  for (const [index, name] of names.entries()) {
    const below = index === names.length - 1 ? { first: 2 } : { [names[index + 1] ?? '']: 11 + index };
    files[10 + index] = directory(below);
    if (index === 0) files[1] = directory({ [name]: 10, second: 2 });
  }
  const lab = await fakeLab(t, files);
  const target = join(lab.directory, 'copy');
  // Node.js could not take it away, either.
  t.teardown(() => execFileSync('rm', ['-rf', target]));
  const result = await lab.copy('/vda', target);
  t.match(result, { files: 2, hardLinks: 0, readProblems: 0, writeProblems: 0, metadataProblems: 1 });
  t.equal(readFileSync(join(target, 'second'), 'utf8'), 'linked');
});

t.test('what is damaged is left out', async (t) => {
  const lab = await fakeLab(t, {
    1: directory({ good: 2, bad: 3, half: 4, dir: 5, loop: 1, missing: 6, 'a\\x2fb': 2, '..': 7 }),
    2: inlineFile('good'),
    3: inlineFile('bad', { damaged: true }),
    4: inlineFile('half of this', { damagedFrom: 5 }),
    5: directory({ good: 2 }, { damaged: true }),
    7: inlineFile('dots'),
  });
  const target = join(lab.directory, 'copy');
  const result = await lab.copy('/vda', target);
  t.match(result, { files: 2, hardLinks: 1, readProblems: 5, writeProblems: 0, metadataProblems: 2 });
  t.same(result.problems.map(({ path, kind }) => `${kind} ${path}`).sort(), [
    'metadata /vda/..',
    'metadata /vda/a\\x2fb',
    'read /vda/bad',
    'read /vda/dir',
    'read /vda/half',
    'read /vda/loop',
    'read /vda/missing',
  ]);
  t.same(readdirSync(target).sort(), ['a\\x2fb', 'good', 'unnamed\\x2e\\x2e']);
  const [listing, entries] = await lab.list('/vda', { details: true });
  t.match(listing, { damaged: 3 });
  t.match(
    entries.find(({ name }) => name === 'bad'),
    { type: 'file', error: /inode 3 is damaged/ },
  );
});

t.test('targets', async (t) => {
  const files: Record<number, MemoryFile> = {
    1: directory({ d: 2, f: 3 }),
    2: directory({ f: 3, sub: 4, link: 5 }),
    3: inlineFile('guest'),
    4: directory({ inner: 3 }),
    5: { type: 'symlink', target: '/etc' },
  };
  const lab = await fakeLab(t, files);
  const at = (...names: string[]): string => join(lab.directory, ...names);
  await t.rejects(lab.copy('/vda/d', at('x'), { recursive: false }), { code: 'BAD_ARGUMENT', hint: /-r/ });
  await t.rejects(lab.copy('/vda/f', at('x'), { toDirectory: true }), { code: 'TARGET_FAILED' });
  await t.rejects(lab.copy('/vda/f', at('no', 'x')), { code: 'TARGET_FAILED' });
  await t.rejects(lab.copy('/vda/f', '/proc/x'), { code: 'TARGET_FAILED' });

  t.equal((await lab.copy('/vda/f', at('f'))).to, at('f'));
  await t.rejects(lab.copy('/vda/f', at('f')), { code: 'TARGET_EXISTS', hint: /--force/ });
  await t.rejects(lab.copy('/vda/d', at('f')), { code: 'TARGET_EXISTS', message: /no directory/ });
  writeFileSync(at('f'), 'other');
  await lab.copy('/vda/f', at('f'), { force: true });
  t.equal(readFileSync(at('f'), 'utf8'), 'guest');

  mkdirSync(at('outside'));
  symlinkSync(at('outside'), at('to-outside'));
  t.equal((await lab.copy('/vda/f', at('to-outside'))).to, at('outside', 'f'), 'a link that is named is followed');
  symlinkSync(at('nowhere'), at('dangling'));
  await t.rejects(lab.copy('/vda/f', at('dangling')), { code: 'TARGET_EXISTS' });
  await lab.copy('/vda/f', at('dangling'), { force: true });
  t.ok(lstatSync(at('dangling')).isFile(), 'the link was replaced');
  t.notOk(existsSync(at('nowhere')), 'and not written through');

  mkdirSync(at('there', 'd'), { recursive: true });
  symlinkSync(at('outside'), at('there', 'd', 'sub'));
  writeFileSync(at('there', 'd', 'link'), 'in its place');
  await t.rejects(lab.copy('/vda/d', at('there')), { code: 'TARGET_EXISTS', hint: /go on into it/ });
  const merged = await lab.copy('/vda/d', at('there'), { force: true });
  t.match(merged, { writeProblems: 1, problems: [{ path: '/vda/d/sub', kind: 'write' }] });
  t.same(readdirSync(at('outside')), ['f'], 'nothing was written through a link in the target');
  t.equal(readlinkSync(at('there', 'd', 'link')), '/etc');
  mkdirSync(at('there', 'd', 'f2'));
  await t.rejects(
    lab
      .copy('/vda/f', at('there', 'd', 'f2'), { toDirectory: false })
      .then(() => lab.copy('/vda/d', at('there', 'd', 'f2', 'f'))),
    {
      code: 'TARGET_EXISTS',
    },
  );
  mkdirSync(at('where', 'd', 'f'), { recursive: true });
  t.match(await lab.copy('/vda/d', at('where'), { force: true }), {
    writeProblems: 1,
    problems: [{ reason: /a directory is in its place/ }],
  });
  for (const directory of [lab.directory, at('there', 'd'), at('where', 'd')]) {
    t.notOk(
      readdirSync(directory).some((name) => name.endsWith('.partial')),
      'nothing half is left',
    );
  }
  lab.abort(new UmbraError('CANCELLED', 'cancelled'));
  await t.rejects(lab.copy('/vda/d', at('cancelled')), {
    code: 'CANCELLED',
    hint: /umbra cp -r --force .*\/cancelled$/,
  });
  t.same(readdirSync(at('cancelled')), []);
});

t.test('names that this machine cannot have, and too many directories', async (t) => {
  const files: Record<number, MemoryFile> = {
    1: directory({ ['n'.repeat(300)]: 5000, deep: 2 }),
    5000: inlineFile('x'),
  };
  for (let id = 2; id < 1010; id++) files[id] = directory({ d: id + 1 });
  files[1010] = directory({});
  const lab = await fakeLab(t, files);
  const result = await lab.copy('/vda', join(lab.directory, 'copy'));
  t.match(result, { directories: 1000, writeProblems: 1, readProblems: 1 });
  t.match(result.problems.find(({ kind }) => kind === 'write')?.reason, /name is too long/);
});

t.test('a name that cannot be, and one that is called as it is shown', async (t) => {
  const files: Record<number, MemoryFile> = {
    1: directory({ d: 2 }),
    2: directory({ 'a\\x2fb': 3, 'a\\x5cx2fb': 4, 'a\\x2fb_': 5, '': 6 }),
    3: inlineFile('with a slash'),
    4: inlineFile('with a backslash'),
    5: inlineFile('with a slash and a line'),
    6: inlineFile('without a name'),
  };
  const lab = await fakeLab(t, files);
  const copies = join(lab.directory, 'copies');
  const copy = join(copies, 'd');
  mkdirSync(copies);
  for (const force of [false, true, true]) {
    t.match(await lab.copy('/vda/d', copies, { force }), { files: 4, writeProblems: 0, metadataProblems: 3 });
    const contents = readdirSync(copy).map((name) => [name, readFileSync(join(copy, name), 'utf8')] as const);
    t.same(contents.sort(), [
      ['a\\x2fb', 'with a backslash'],
      ['a\\x2fb_', 'with a slash and a line'],
      ['a\\x2fb__', 'with a slash'],
      ['unnamed', 'without a name'],
    ]);
  }
});

t.test('a special file is replaced by its like', async (t) => {
  const lab = await FilesLab.open(t);
  const [tree, image, target] = [join(lab.directory, 'tree'), join(lab.directory, 'image'), join(lab.directory, 'to')];
  richTree(tree);
  ext4Image(image, tree, 64);
  await lab.backUp(image);
  await lab.copy('/vda', target);
  t.match(await lab.copy('/vda', lab.directory, { force: true }), { specialFiles: 4, writeProblems: 0 });
  t.match(await lab.copy('/vda', lab.directory, { force: true }), { specialFiles: 4, writeProblems: 0 });
  execFileSync('rm', [join(lab.directory, 'vda', 'null')]);
  makeNode(join(lab.directory, 'vda', 'null'), 'character-device', 0o666, { major: 1, minor: 5 });
  t.match(await lab.copy('/vda', lab.directory, { force: true }), { specialFiles: 3, writeProblems: 1 });
});
