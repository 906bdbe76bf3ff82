import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { giveUpTarget, openTarget, syncTarget, type Target } from '../../../src/restore/target.js';
import { tryLockRange } from '../../../src/system/file-locks.js';
import { loopDevice } from '../../kit/loop-device.js';
import { smallDisk } from '../../kit/small-disk.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

function open(file: string, sizeBytes = 0): Promise<Target> {
  return openTarget({ file, sizeBytes, storeDirectory: '/nonexistent/store' });
}

function emptyFile(t: Test, sizeBytes: number): string {
  const file = join(temporaryDirectory(t), 'disk');
  writeFileSync(file, '');
  truncateSync(file, sizeBytes);
  return file;
}

t.test('a new file', async (t) => {
  const file = join(temporaryDirectory(t), 'new');
  const target = await open(file);
  t.match(target, { path: file, kind: 'file', isNew: true, sizeBytes: 0 });
  t.equal(statSync(file).mode & 0o777, 0o600);
  await t.rejects(open(file), { code: 'TARGET_BUSY' }, 'two restores to one target');
  await giveUpTarget(target);
  t.throws(() => statSync(file), { code: 'ENOENT' });
});

t.test('a file that is there', async (t) => {
  const file = emptyFile(t, 5);
  const target = await open(file);
  t.match(target, { path: file, kind: 'file', isNew: false, sizeBytes: 5 });
  await syncTarget(target);
  await giveUpTarget(target);
  t.equal(statSync(file).size, 5, 'it stays');
});

t.test('what is no target', async (t) => {
  const directory = temporaryDirectory(t);
  execFileSync('mkfifo', [join(directory, 'fifo')]);
  mkdirSync(join(directory, 'directory'));
  const server = createServer().listen(join(directory, 'socket'));
  await once(server, 'listening');
  for (const name of ['fifo', 'directory', 'socket']) {
    await t.rejects(open(join(directory, name)), { code: 'TARGET_REFUSED', message: /neither/ }, name);
  }
  await t.rejects(open('/dev/null'), { code: 'TARGET_REFUSED' });
  await t.rejects(open(join(directory, 'missing', 'file')), { code: 'TARGET_FAILED', hint: /Make the directory/ });
  server.close();
});

t.test('files in use', async (t) => {
  const file = emptyFile(t, 10);
  const reader = openSync(file, 'r');
  t.ok(tryLockRange(reader, 'shared', 101, 1), 'as QEMU does for writing');
  await t.rejects(open(file), { code: 'TARGET_BUSY', message: /locked/ });
  closeSync(reader);
  const writer = openSync(file, 'r+');
  await t.rejects(open(file), { code: 'TARGET_BUSY', message: new RegExp(`process ${process.pid}`) });
  closeSync(writer);
  await giveUpTarget(await open(file));
});

t.test('a file that a loop device shows', async (t) => {
  const file = emptyFile(t, MIB);
  const link = join(temporaryDirectory(t), 'hard link');
  execFileSync('ln', [file, link]);
  loopDevice(t, file);
  await t.rejects(open(file), { code: 'TARGET_BUSY', message: /the loop device \/dev\/loop\d+ shows it/ });
  await t.rejects(open(link), { code: 'TARGET_BUSY' }, 'by another name');
});

t.test('a file that QEMU has open', async (t) => {
  const file = emptyFile(t, MIB);
  const socket = join(temporaryDirectory(t), 'socket');
  const server = spawn('qemu-nbd', ['--socket', socket, '--format', 'raw', '--read-only', '--persistent', file]);
  t.teardown(() => server.kill());
  for (let wait = 0; wait < 100 && !exists(socket); wait++) await new Promise((resolve) => setTimeout(resolve, 50));
  await t.rejects(open(file), { code: 'TARGET_BUSY', message: /locked/ });
  const ended = once(server, 'exit');
  server.kill();
  await ended;
  await giveUpTarget(await open(file));
});

t.test('block devices', async (t) => {
  const device = loopDevice(t, emptyFile(t, 8 * MIB));
  const target = await open(device, 8 * MIB);
  t.match(target, { path: device, kind: 'device', isNew: false, sizeBytes: 8 * MIB });
  await t.rejects(open(device), { code: 'TARGET_BUSY' }, 'two restores to one device');
  await giveUpTarget(target);
  t.ok(statSync(device).isBlockDevice(), 'a device is never removed');
  await t.rejects(open(device, 8 * MIB + 1), { code: 'TARGET_TOO_SMALL', message: /8388608 bytes.*8388609/ });
});

t.test('mounted block devices, and those with a mounted partition', async (t) => {
  const file = emptyFile(t, 16 * MIB);
  writeFileSync(file, partitionTable(2048, 16 * 2048 - 2048), { flag: 'r+' });
  const device = loopDevice(t, file);
  execFileSync('partx', ['--add', device]);
  t.teardown(() => execFileSync('partx', ['--delete', device]));
  const partition = `${device}p1`;
  execFileSync('mkfs.ext4', ['-q', partition]);
  const mountPoint = temporaryDirectory(t);
  execFileSync('mount', [partition, mountPoint]);
  t.teardown(() => execFileSync('umount', [mountPoint]));
  const refused = { code: 'TARGET_BUSY', message: new RegExp(`mounted at ${mountPoint}`) };
  await t.rejects(open(partition), refused);
  await t.rejects(open(device), refused);
});

t.test('a file that is named as a container image is not written over', async (t) => {
  const file = join(t.testdir(), 'web1.QCOW2');
  const refused = { code: 'TARGET_REFUSED', message: /qcow2 image/, hint: /umbra export/ };
  await t.rejects(open(file), refused);
  t.notOk(exists(file));
  writeFileSync(file, 'as it was');
  await t.rejects(open(file), refused);
  t.equal(readFileSync(file, 'utf8'), 'as it was');
});

t.test('a file on a read-only file system', async (t) => {
  const { directory } = smallDisk(t, MIB);
  const file = join(directory, 'file');
  writeFileSync(file, 'as it was');
  execFileSync('mount', ['-o', 'remount,ro', directory]);
  await t.rejects(open(file), { code: 'TARGET_FAILED', message: /EROFS/ });
  await t.rejects(open(join(directory, 'new')), { code: 'TARGET_FAILED', message: /EROFS/ });
  execFileSync('mount', ['-o', 'remount,rw', directory]);
});

function exists(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false }) !== undefined;
}

/** A master boot record with one Linux partition; numbers are sectors. */
function partitionTable(start: number, sectors: number): Buffer {
  const table = Buffer.alloc(512);
  table[450] = 0x83;
  table.writeUInt32LE(start, 454);
  table.writeUInt32LE(sectors, 458);
  table.writeUInt16LE(0xaa55, 510);
  return table;
}
