import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PRODUCT } from '../../../src/codec/formats.js';
import { newPartialName } from '../../../src/files/partial-names.js';
import { makeNode } from '../../../src/system/file-metadata.js';
import { fakeLab } from '../../kit/files-lab.js';
import { directory, inlineFile, type MemoryFile } from '../../kit/filesystems/memory-filesystem.js';
import { ext4Disk, smallDisk } from '../../kit/small-disk.js';

t.test('devices, FIFOs and sockets are not replaced', async (t) => {
  const files: Record<number, MemoryFile> = {
    1: directory({ a: 2, d: 3 }),
    2: inlineFile('twice'),
    3: directory({ again: 2, block: 4, char: 4, fifo: 4, socket: 4 }),
    4: inlineFile('guest'),
  };
  const lab = await fakeLab(t, files);
  const at = (...names: string[]): string => join(lab.directory, ...names);
  const makeNodes = (to: string): void => {
    mkdirSync(to);
    makeNode(join(to, 'char'), 'character-device', 0o666, { major: 1, minor: 7 });
    makeNode(join(to, 'block'), 'block-device', 0o600, { major: 7, minor: 300 });
    makeNode(join(to, 'fifo'), 'fifo', 0o600);
    makeNode(join(to, 'socket'), 'socket', 0o600);
  };
  makeNodes(at('d'));
  const kinds = { char: 'a character device', block: 'a block device', fifo: 'a FIFO', socket: 'a socket' };
  for (const [name, kind] of Object.entries(kinds)) {
    for (const force of [false, true]) {
      await t.rejects(lab.copy('/vda/d/fifo', at('d', name), { force, recursive: false }), {
        code: 'TARGET_EXISTS',
        message: `${at('d', name)} is ${kind}, and is not replaced by a copy`,
        hint: /another target/,
      });
    }
  }
  makeNode(at('d', 'again'), 'fifo', 0o600);
  makeNode(at('a'), 'fifo', 0o600);
  const result = await lab.copy('/vda/d', lab.directory, { force: true });
  t.match(result, { files: 0, hardLinks: 0, directories: 1, writeProblems: 5 });
  t.same(
    result.problems.map(({ path, reason }) => `${path.slice('/vda/d/'.length)}: ${reason.split(' is ')[0]}`).sort(),
    ['again: a FIFO', ...Object.entries(kinds).map(([name, kind]) => `${name}: ${kind}`)].sort(),
  );
  mkdirSync(at('tree', 'vda'), { recursive: true });
  makeNodes(at('tree', 'vda', 'd'));
  makeNode(at('tree', 'vda', 'd', 'again'), 'fifo', 0o600);
  t.match(await lab.copy('/vda', at('tree'), { force: true }), { writeProblems: 5, files: 1, hardLinks: 0 });
  t.ok(lstatSync(at('tree', 'vda', 'd', 'again')).isFIFO(), 'nor by a further name of a file');
});

t.test('a full disk', async (t) => {
  const lab = await fakeLab(t, { 1: directory({ f: 2 }), 2: inlineFile('x'.repeat(100_000)) });
  const disk = smallDisk(t, 256 * 1024);
  disk.fill(16 * 1024);
  for (const path of ['/vda/f', '/vda']) {
    const to = join(disk.directory, 'copy');
    await t.rejects(lab.copy(path, to), {
      code: 'TARGET_FULL',
      message: `the disk of ${to} is full`,
      hint: /Make room/,
    });
  }
  const to = join(disk.directory, 'copy');
  await t.rejects(lab.copy('/vda', to, { force: true, contents: true }), {
    code: 'TARGET_FULL',
    hint: new RegExp(`: umbra cp -r --force m1@[^ ]*:/vda/[.] ${to}$`),
  });
  disk.release();
  t.match(await lab.copy('/vda', to, { force: true, contents: true }), { to, files: 1 });
  t.same(readdirSync(to), ['f'], 'it goes on where it was, not below');
});

t.test('the contents of a directory', async (t) => {
  const lab = await fakeLab(t, {
    1: directory({ d: 2, f: 3, link: 4 }),
    2: directory({ f: 3, sub: 5 }),
    3: inlineFile('guest'),
    4: { type: 'symlink', target: 'd' },
    5: directory({}),
  });
  const at = (...names: string[]): string => join(lab.directory, ...names);
  const contents = { contents: true };
  t.match(await lab.copy('/vda/d', at('new'), contents), { to: at('new'), files: 1, directories: 2 });
  t.match(await lab.copy('/vda/link', at('linked'), contents), { to: at('linked'), directories: 2 });
  await t.rejects(lab.copy('/vda/d', at('new'), contents), { code: 'TARGET_EXISTS', hint: /--force to go on into it/ });
  symlinkSync('new', at('to-new'));
  writeFileSync(at('new', 'f'), 'other');
  t.match(await lab.copy('/vda/d', at('to-new'), { ...contents, force: true }), { to: at('new'), directories: 2 });
  t.same(readdirSync(at('new')), ['f', 'sub'], 'nothing is nested');
  t.equal(readFileSync(at('new', 'f'), 'utf8'), 'guest');
  mkdirSync(at('stores', 'd'), { recursive: true });
  writeFileSync(at('stores', 'd', 'format'), JSON.stringify({ product: PRODUCT }));
  for (const options of [{}, contents]) {
    const to = options === contents ? at('stores', 'd') : at('stores');
    await t.rejects(
      lab.copy('/vda/d', to, { ...options, force: true }),
      { code: 'TARGET_REFUSED' },
      'nor into a store',
    );
  }
  await t.rejects(lab.copy('/vda/f', at('x'), contents), { code: 'BAD_ARGUMENT', hint: /Leave out/ });
  await t.rejects(lab.copy('/vda/d', at('x'), { ...contents, recursive: false }), { code: 'BAD_ARGUMENT', hint: /-r/ });
});

t.test('attributes that a file system does not take', async (t) => {
  const xattrs = { 'user.large': Buffer.alloc(30_000, 1), 'nowhere.x': Buffer.from('x') };
  const files: Record<number, MemoryFile> = { 1: directory({ a: 2, b: 3, c: 4 }) };
  for (const id of [2, 3, 4]) files[id] = { ...inlineFile('x'), xattrs };
  const lab = await fakeLab(t, files);
  const result = await lab.copy('/vda', join(ext4Disk(t, 8 * 1024 * 1024).directory, 'copy'));
  t.match(result, { files: 3, metadataProblems: 6, writeProblems: 0 });
  t.same(
    result.problems.map(({ kind, reason, count }) => ({ kind, reason, count })),
    [
      'user.large could not be set: the file system that is copied to has no room for attributes of this size',
      'nowhere.x could not be set: the file system that is copied to has no such thing',
    ].map((reason) => ({ kind: 'metadata', reason: `extended attribute ${reason}`, count: 3 })),
  );
});

t.test('what a killed copy left is swept up', async (t) => {
  const lab = await fakeLab(t, { 1: directory({ d: 2, f: 3 }), 2: directory({ f: 3 }), 3: inlineFile('x') });
  const to = join(lab.directory, 'to');
  mkdirSync(join(to, 'vda', 'd'), { recursive: true });
  for (const names of [[], ['vda'], ['vda', 'd']]) {
    writeFileSync(join(to, ...names, newPartialName(spawnSync('true').pid)), 'half');
  }
  await lab.copy('/vda', to, { force: true });
  t.same(readdirSync(to, { recursive: true }).sort(), ['vda', 'vda/d', 'vda/d/f', 'vda/f']);
});
