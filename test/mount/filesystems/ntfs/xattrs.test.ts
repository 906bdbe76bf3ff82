import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { FileId, Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { getXattr, listXattrs, setXattr } from '../../../../src/system/xattrs.js';
import { makeNtfs, mountNtfs3g, openNtfs } from '../../../kit/filesystems/ntfs-image.js';
import { extendedAttributes, number32, securityDescriptor } from '../../../kit/filesystems/ntfs-values.js';
import { Random, testSeed } from '../../../kit/random.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

async function find(filesystem: Filesystem, name: string): Promise<FileId> {
  const item = await filesystem.lookup(filesystem.root, name);
  if (item === undefined) throw new TypeError(`no ${name}`);
  return item.id;
}

t.test('streams, as ntfs-3g shows them', async (t) => {
  const random = new Random(testSeed(t));
  const image = join(temporaryDirectory(t), 'ntfs.img');
  makeNtfs(image);
  const mounted = mountNtfs3g(t, image);
  const at = (name: string): string => join(mounted.directory, name);
  writeFileSync(at('file'), 'content');
  mkdirSync(at('directory'));
  const values: Readonly<Record<string, Buffer>> = {
    'user.empty': Buffer.alloc(0),
    'user.small': Buffer.from('small'),
    'user.Zone.Identifier': Buffer.from('[ZoneTransfer]\r\nZoneId=3\r\n'),
    'user.größe': random.bytes(3000),
    'user.large': random.bytes(65_536),
  };
  for (const [name, value] of Object.entries(values)) setXattr(at('file'), name, value);
  setXattr(at('directory'), 'user.of a directory', Buffer.from('yes'));
  setXattr(at('directory'), 'trusted.other', Buffer.from('space'));
  // Many streams need more than one file record.
  writeFileSync(at('many'), 'content');
  for (let index = 0; index < 60; index++) setXattr(at('many'), `user.stream ${index}`, random.bytes(index * 10));
  const expected = new Map(
    readdirSync(mounted.directory).map((name) => {
      const names = listXattrs(at(name)).filter((key) => key.startsWith('user.'));
      return [name, names.map((key) => `${key} ${getXattr(at(name), key).toString('hex')}`).sort()];
    }),
  );
  mounted.unmount();
  const filesystem = await openNtfs(t, image);
  for (const [name, lines] of expected) {
    const xattrs = await filesystem.xattrs(await find(filesystem, name));
    const actual = [...xattrs].map(([key, value]) => `${key} ${Buffer.from(value).toString('hex')}`);
    const streams = actual.filter((line) => /^user\.(?!DOSATTRIB )/.test(line)).sort();
    t.same(streams, lines, `streams of ${name}`);
  }
  t.equal(expected.get('many')?.length, 60);
  const directory = await filesystem.xattrs(await find(filesystem, 'directory'));
  t.equal(Buffer.from(directory.get('trusted.other') ?? []).toString(), 'space');
  const content = Buffer.alloc(7);
  t.equal(await (await filesystem.open(await find(filesystem, 'many'))).read(content, 0), 7);
  t.equal(content.toString(), 'content');
});

t.test('access lists and DOS attributes, as Samba reads them', async (t) => {
  const image = join(temporaryDirectory(t), 'ntfs.img');
  makeNtfs(image);
  const mounted = mountNtfs3g(t, image);
  const at = (name: string): string => join(mounted.directory, name);
  const names = Array.from({ length: 150 }, (_, index) => `file ${index}`);
  for (const [index, name] of names.entries()) {
    writeFileSync(at(name), '');
    setXattr(at(name), 'system.ntfs_acl', securityDescriptor(1000 + index));
  }
  // Read-only and hidden; the last is compressed besides, which is not shown.
  setXattr(at('file 1'), 'system.ntfs_attrib_be', Buffer.of(0, 0, 0, 3));
  mkdirSync(at('directory'));
  setXattr(at('directory'), 'system.ntfs_attrib_be', Buffer.of(0, 0, 8, 2));
  const created = new Map([...names, 'directory'].map((name) => [name, getXattr(at(name), 'system.ntfs_crtime')]));
  mounted.unmount();
  const filesystem = await openNtfs(t, image);
  for (const [index, name] of names.entries()) {
    const xattrs = await filesystem.xattrs(await find(filesystem, name));
    const value = Buffer.from(xattrs.get('security.NTACL') ?? []);
    const expected = securityDescriptor(1000 + index);
    for (const place of [4, 8, 16]) expected.writeUInt32LE(expected.readUInt32LE(place) + 8, place);
    if (value.toString('hex') !== `0100010000000200${expected.toString('hex')}`) t.fail(`of ${name}`);
  }
  for (const [name, text] of [
    ['file 1', '0x3'],
    ['directory', '0x12'],
    ['file 2', '0x20'],
  ] as const) {
    const xattrs = await filesystem.xattrs(await find(filesystem, name));
    const value = Buffer.from(xattrs.get('user.DOSATTRIB') ?? []);
    const start = Math.ceil((text.length + 1) / 2) * 2;
    t.equal(value.toString('latin1', 0, text.length + 1), `${text}\0`);
    t.equal(value.readUInt16LE(start), 3, 'the third version');
    const fields = Math.ceil((start + 4) / 4) * 4;
    t.equal(value.readUInt32LE(fields + 4), Number(text));
    t.ok(
      value.subarray(fields + 28, fields + 36).equals(created.get(name) ?? Buffer.alloc(0)),
      'the time of its making',
    );
  }
});

t.test('what Linux keeps in extended attributes of OS/2', async (t) => {
  const image = join(temporaryDirectory(t), 'ntfs.img');
  makeNtfs(image);
  const mounted = mountNtfs3g(t, image);
  const path = join(mounted.directory, 'file');
  writeFileSync(path, '');
  const attributes = {
    $LXUID: number32(1234),
    $LXGID: number32(77),
    $LXMOD: number32(0o100751),
    'user.comment': Buffer.from('hello'),
    OTHER: Buffer.from('not shown'),
  };
  setXattr(path, 'system.ntfs_ea', extendedAttributes(attributes));
  mounted.unmount();
  const filesystem = await openNtfs(t, image);
  const id = await find(filesystem, 'file');
  t.match(await filesystem.stat(id), { type: 'file', uid: 1234, gid: 77, permissions: 0o751 });
  const xattrs = await filesystem.xattrs(id);
  t.same([...xattrs.keys()].sort(), ['security.NTACL', 'user.DOSATTRIB', 'user.comment']);
  t.equal(Buffer.from(xattrs.get('user.comment') ?? []).toString(), 'hello');
});
