import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { devicePath } from '../../../src/files/device-path.js';
import { FilesLab } from '../../kit/files-lab.js';
import { directory, inlineFile, MemoryFilesystem } from '../../kit/filesystems/memory-filesystem.js';
import { FakeGuestFiles } from '../../kit/opened-guest.js';

function labelled(label: string, uuid = ''): MemoryFilesystem {
  const files = { 1: directory({ srv: 2 }), 2: directory({ a: 3 }), 3: inlineFile(label) };
  return Object.assign(new MemoryFilesystem(files), { label, uuid });
}

t.test('a device is found by label and UUID, as in the mount', async (t) => {
  const devices = { vda1: labelled('root', 'cafe'), vda2: labelled('root'), vda3: labelled('my /data') };
  const files = new FakeGuestFiles(devices, () => undefined);
  const find = (path: string): Promise<string> => devicePath(files, path, 'm1@now');
  t.equal(await find('/vda1/srv'), '/vda1/srv');
  t.equal(await find('/by-label/root/srv/a'), '/vda1/srv/a');
  t.equal(await find('/by-label/root-2'), '/vda2');
  t.equal(await find('/by-uuid/cafe/srv'), '/vda1/srv');
  t.equal(await find(String.raw`/by-label/my \x2fdata/srv`), '/vda3/srv');
  await t.rejects(find('/by-label/rot/srv'), {
    code: 'NOT_FOUND',
    message: 'm1@now has no file system /by-label/rot',
    hint: /Did you mean \/by-label\/root\? It has \/by-label\/root \(\/vda1\), /,
  });
  await t.rejects(find('/by-uuid'), { code: 'NOT_FOUND', hint: 'It has /by-uuid/cafe (/vda1).' });
  const none = new FakeGuestFiles({}, () => undefined);
  await t.rejects(devicePath(none, '/by-label/x', 'm1@now'), {
    code: 'NOT_FOUND',
    hint: '"umbra ls m1@now" shows its file systems.',
  });
});

async function lab(t: Test): Promise<FilesLab> {
  const opened = await FilesLab.open(t, { filesystems: new Map([[1, labelled('my root', 'cafe')]]) });
  const bytes = Buffer.alloc(4 * 1024 * 1024);
  bytes[0] = 1;
  await opened.memory.backUp({ vda: Buffer.alloc(4 * 1024 * 1024), vdb: bytes }, { machine: 'm1' });
  return opened;
}

t.test('every operation takes it, and says the name of the device', async (t) => {
  const files = await lab(t);
  const path = '/by-label/my root/srv';
  const [listing, entries] = await files.list(path);
  t.match([listing.path, entries], ['/vdb/srv', [{ name: 'a' }]]);
  t.equal((await files.read(`${path}/a`)).toString(), 'my root');
  const copy = join(files.directory, 'copy');
  t.match(await files.copy(path, copy), { path: '/vdb/srv', files: 1, problems: [] });
  t.equal(readFileSync(join(copy, 'a'), 'utf8'), 'my root');
  t.match(await files.history(`${path}/a`), { path: '/vdb/srv/a', versions: [{ state: 'present' }] });
  await t.rejects(files.history('/by-label/root/a'), { code: 'NOT_FOUND', message: /no file system \/by-label\/root/ });
});
