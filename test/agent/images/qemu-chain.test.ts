import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openImage } from '../../../agent/images/open-image.js';
import { contentOf } from '../../kit/image-content.js';
import { qemuImg, qemuIo } from '../../kit/qemu.js';
import { temporaryDirectory } from '../../kit/temporary.js';

function overlay(path: string, backing: string, ...format: string[]): void {
  qemuImg('create', '-q', '-u', '-f', 'qcow2', '-b', backing, ...format, path, '1M');
}

t.test('a chain of twenty', async (t) => {
  const directory = temporaryDirectory(t);
  const name = (index: number): string => join(directory, `disk${index}.qcow2`);
  qemuImg('create', '-q', '-f', 'qcow2', name(0), '2M');
  for (let index = 1; index < 20; index++) overlay(name(index), name(index - 1), '-F', 'qcow2');
  await qemuIo(name(0), 'qcow2', 'write -P 1 0 64k');
  await qemuIo(name(10), 'qcow2', 'write -P 2 64k 64k');
  const image = await openImage(name(19));
  const content = await contentOf(image);
  t.equal(content[0], 1);
  t.equal(content[65_536], 2);
  t.equal(content.length, 1024 * 1024);
  await image.close();
});

t.test('backing files that are missing, odd or unnamed', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'disk.qcow2');
  const base = join(directory, 'base');
  writeFileSync(base, Buffer.alloc(65_536, 1));
  const refused = async (backing: string, format: string, expected: RegExp): Promise<void> => {
    rmSync(path, { force: true });
    overlay(path, backing, '-F', format);
    await t.rejects(openImage(path), { code: 'IMAGE_FORMAT', message: expected }, `${backing} ${format}`);
  };
  await refused('gone.raw', 'raw', /disk\.qcow2 lacks the backing file \/.*gone\.raw/);
  await refused('nbd://localhost:1/', 'raw', /needs the backing file nbd:.* not a local file/);
  await refused('json:{"driver":"null-co"}', 'raw', /not a local file/);
  await refused('/dev/zero', 'raw', /character device/);
  await refused('./disk.qcow2', 'qcow2', /is its own backing file/);
  await refused('base', 'qcow2', /QEMU cannot read .*base.*not in qcow2 format/);
  await refused('base', 'luks', /format luks, which is not supported/);
});

t.test('a backing file without a recorded format is not guessed at', async (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'disk.qcow2');
  // What qemu-img no longer makes: the header extension with the format (type 0xe2792aca) taken out.
  overlay(path, 'base', '-F', 'raw');
  writeFileSync(join(directory, 'base'), Buffer.alloc(4096));
  const bytes = readFileSync(path);
  bytes.writeUInt32BE(0x1234_5678, bytes.indexOf(Buffer.from('e2792aca', 'hex')));
  writeFileSync(path, bytes);
  await t.rejects(openImage(path), {
    code: 'IMAGE_FORMAT',
    message: /does not say which format its backing file/,
    hint: /qemu-img rebase -u -F raw -b/,
  });
});

t.test('encrypted and damaged images', async (t) => {
  const directory = temporaryDirectory(t);
  const encrypted = join(directory, 'encrypted.qcow2');
  const secret = ['--object', 'secret,id=s,data=secret', '-o', 'encrypt.format=aes,encrypt.key-secret=s'];
  qemuImg('create', '-q', '-f', 'qcow2', ...secret, encrypted, '1M');
  await t.rejects(openImage(encrypted), { code: 'IMAGE_FORMAT', message: /is encrypted/ });

  const marked = join(directory, 'marked.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', marked, '1M');
  const bytes = readFileSync(marked);
  bytes.writeUInt8(2, 79);
  writeFileSync(marked, bytes);
  await t.rejects(openImage(marked), { code: 'IMAGE_FORMAT', message: /marked as damaged/, hint: /qemu-img check/ });

  const cut = join(directory, 'cut.qcow2');
  writeFileSync(cut, bytes.subarray(0, 40));
  await t.rejects(openImage(cut), { code: 'IMAGE_FORMAT', message: /QEMU cannot read/ });
});
