import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setXattr } from '../../../src/system/xattrs.js';
import { Random } from '../random.js';

export interface FillOptions {
  readonly blockBytes: number;
  readonly reflink?: boolean;
  /** Entries of the largest directory. */
  readonly names?: number;
  /** Times before 1901 and after 2038 can be kept. */
  readonly bigtime?: boolean;
}

/** Fill a mounted XFS with one of everything: files, directories and attributes of every format. */
export function fillXfs(directory: string, options: FillOptions): void {
  const random = new Random(1);
  fillFiles(join(directory, 'files'), random, options);
  fillDirectories(join(directory, 'directories'), options);
  fillOddities(join(directory, 'odd'), options);
  fillAttributes(join(directory, 'attributes'), random);
}

function fillFiles(top: string, random: Random, { blockBytes, reflink = false }: FillOptions): void {
  mkdirSync(top);
  writeFileSync(join(top, 'empty'), '');
  writeFileSync(join(top, 'small'), 'a few bytes');
  writeFileSync(join(top, 'large'), random.bytes(3_000_001));
  writeSparse(join(top, 'some-extents'), blockBytes, 5, random);
  writeSparse(join(top, 'many-extents'), blockBytes, 900, random);
  const allocated = join(top, 'unwritten');
  execFileSync('fallocate', ['-l', String(40 * blockBytes), allocated]);
  writeAt(allocated, random.bytes(blockBytes + 100), 7 * blockBytes);
  execFileSync('fallocate', ['-l', String(40 * blockBytes), '--keep-size', join(top, 'large')]);
  const hole = openSync(join(top, 'only-hole'), 'w');
  ftruncateSync(hole, 5 * 2 ** 40 + 17);
  writeSync(hole, 'here', 4 * 2 ** 40);
  ftruncateSync(hole, 4 * 2 ** 20 + 17);
  closeSync(hole);
  if (!reflink) return;
  execFileSync('cp', ['--reflink=always', join(top, 'large'), join(top, 'shared')]);
  writeAt(join(top, 'shared'), random.bytes(70_000), 1_000_003);
}

/** A file with a hole after each block. */
function writeSparse(path: string, blockBytes: number, extents: number, random: Random): void {
  const file = openSync(path, 'w');
  for (let index = 0; index < extents; index++) writeSync(file, random.bytes(64), 0, 64, index * 2 * blockBytes + 13);
  closeSync(file);
}

function writeAt(path: string, bytes: Buffer, offset: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

function fillDirectories(top: string, { names = 1800 }: FillOptions): void {
  mkdirSync(top);
  for (const count of [0, 1, 4, 30, 120, 600, names]) fillDirectory(join(top, String(count)), count);
  fillDirectory(join(top, 'thinned'), 1000);
  for (let index = 0; index < 1000; index++) if (index % 5 !== 0) unlinkSync(join(top, 'thinned', nameOf(index)));
  fillDirectory(join(top, 'emptied'), 700);
  rmSync(join(top, 'emptied'), { recursive: true });
  mkdirSync(join(top, 'emptied'));
  mkdirSync(join(top, 'deep/a/b/c/d/e/f'), { recursive: true });
}

function fillDirectory(path: string, count: number): void {
  mkdirSync(path);
  for (let index = 0; index < count; index++) {
    // Most are links: inodes are dear in a small image.
    if (index % 100 === 0) writeFileSync(join(path, nameOf(index)), `file ${index}`);
    else linkSync(join(path, nameOf(index - (index % 100))), join(path, nameOf(index)));
  }
}

function nameOf(index: number): string {
  return `${'name'.repeat(1 + (index % 7))}-${index}`;
}

function fillOddities(top: string, { bigtime = true }: FillOptions): void {
  mkdirSync(top);
  for (const length of [1, 30, 250, 700, 1023])
    symlinkSync('x/'.repeat(600).slice(0, length), join(top, `link-${length}`));
  symlinkSync(Buffer.from([0x2f, 0xe4, 0xff]), Buffer.from(`${top}/latin\xe4`, 'latin1'));
  writeFileSync(Buffer.from(`${top}/\xff\xfe`, 'latin1'), 'bytes');
  writeFileSync(join(top, 'n'.repeat(255)), 'longest');
  writeFileSync(join(top, 'Übung \\x41 日本'), 'unicode');
  const nodes = [
    ['null', 'c', '1', '3'],
    ['disk', 'b', '259', '70000'],
    ['pipe', 'p'],
  ];
  for (const [name = '', ...kind] of nodes) execFileSync('mknod', [join(top, name), ...kind]);
  execFileSync('python3', [
    '-c',
    'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])',
    join(top, 'socket'),
  ]);
  writeFileSync(join(top, 'owned'), 'x');
  chownSync(join(top, 'owned'), 70_000, 4_000_000_000);
  chmodSync(join(top, 'owned'), 0o6711);
  mkdirSync(join(top, 'sticky'));
  chmodSync(join(top, 'sticky'), 0o1777);
  writeFileSync(join(top, 'old'), 'x');
  utimesSync(join(top, 'old'), -1000.25, -1_700_000_000.5);
  writeFileSync(join(top, 'late'), 'x');
  utimesSync(join(top, 'late'), bigtime ? 10_000_000_000.75 : 2_000_000_000.75, 1.000001);
  lutimesSync(join(top, 'link-30'), 5, 6);
}

function fillAttributes(top: string, random: Random): void {
  mkdirSync(top);
  const file = (name: string): string => {
    writeFileSync(join(top, name), name);
    return join(top, name);
  };
  setXattr(file('one'), 'user.comment', Buffer.from('small'));
  setXattr(file('empty-value'), 'user.empty', Buffer.alloc(0));
  const spaces = file('namespaces');
  for (const name of ['user.a', 'trusted.b', 'security.c']) setXattr(spaces, name, Buffer.from(name));
  for (let index = 0; index < 25; index++) setXattr(spaces, `user.more-${index}`, random.bytes(index * 3));
  const remote = file('remote');
  for (const length of [3000, 10_000, 65_536]) setXattr(remote, `user.${length}`, random.bytes(length));
  const many = file('many');
  for (let index = 0; index < 250; index++)
    setXattr(many, `user.${'n'.repeat(index % 200)}.${index}`, random.bytes(60));
  fillScattered(file('scattered'), random);
  const acl = file('acl');
  setXattr(acl, 'system.posix_acl_access', portableAcl());
  mkdirSync(join(top, 'acl-directory'));
  setXattr(join(top, 'acl-directory'), 'system.posix_acl_access', portableAcl());
  setXattr(join(top, 'acl-directory'), 'system.posix_acl_default', portableAcl());
}

/** So many values outside of the leaves that the fork needs a tree of extents, between those of another file. */
function fillScattered(path: string, random: Random): void {
  writeFileSync(`${path}-beside`, '');
  for (let index = 0; index < 60; index++) {
    setXattr(path, `user.${index}`, random.bytes(3000 + index * 100));
    setXattr(`${path}-beside`, `user.${index}`, random.bytes(3000));
  }
}

/** user::rw-, user:1000:r--, group::r--, group:2000:-w-, mask::rw-, other::--- */
function portableAcl(): Buffer {
  const entries: readonly (readonly [number, number, number])[] = [
    [0x01, 6, 0xffffffff],
    [0x02, 4, 1000],
    [0x04, 4, 0xffffffff],
    [0x08, 2, 2000],
    [0x10, 6, 0xffffffff],
    [0x20, 0, 0xffffffff],
  ];
  const acl = Buffer.alloc(4 + entries.length * 8);
  acl.writeUInt32LE(2);
  for (const [index, [tag, permissions, id]] of entries.entries()) {
    acl.writeUInt16LE(tag, 4 + index * 8);
    acl.writeUInt16LE(permissions, 6 + index * 8);
    acl.writeUInt32LE(id, 8 + index * 8);
  }
  return acl;
}
