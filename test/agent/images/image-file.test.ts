import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openImage } from '../../../agent/images/open-image.js';
import type { Clock } from '../../../src/common/clock.js';
import { systemClock } from '../../../src/common/clock.js';
import { extentsOf } from '../../kit/image-content.js';
import { holdForWriting, qemuIo } from '../../kit/qemu.js';
import { temporaryDirectory } from '../../kit/temporary.js';

/** An hour from now, so that what was just written counts as settled. */
const LATER: Clock = { ...systemClock, now: () => systemClock.now() + 3_600_000 };

function newDisk(t: Test): string {
  const path = join(temporaryDirectory(t), 'disk.raw');
  writeFileSync(path, Buffer.alloc(256 * 1024, 5));
  return path;
}

t.test('what QEMU writes cannot be opened, and the error names the program', async (t) => {
  const path = newDisk(t);
  const release = await holdForWriting(t, path, 'raw');
  await t.rejects(openImage(path), {
    code: 'IMAGE_IN_USE',
    message: /disk\.raw is being written by qemu-nbd \(process \d+\)/,
    hint: /Shut the machine down/,
  });
  await release();
  await (await openImage(path)).close();
});

t.test('QEMU cannot write what is open, and can read it', async (t) => {
  const path = newDisk(t);
  const image = await openImage(path);
  t.match(await qemuIo(path, 'raw', 'write 0 4k'), /Failed to get "write" lock/);
  const other = await openImage(path);
  await image.close();
  t.match(await qemuIo(path, 'raw', 'write 0 4k'), /Failed to get "write" lock/);
  await other.close();
  t.match(await qemuIo(path, 'raw', 'write 0 4k'), /wrote 4096/);
});

t.test('any program that has the image open for writing counts', async (t) => {
  const path = newDisk(t);
  const reader = openSync(path, 'r');
  await (await openImage(path)).close();
  const fd = openSync(path, 'r+');
  await t.rejects(openImage(path), {
    code: 'IMAGE_IN_USE',
    message: `open for writing in node (process ${process.pid})`,
  });
  closeSync(fd);
  closeSync(reader);
  await (await openImage(path)).close();
});

t.test('a change is noticed', async (t) => {
  const changes: [string, (path: string) => void][] = [
    [
      'was written',
      (path) => {
        appendFileSync(path, 'x');
      },
    ],
    [
      'was written',
      (path) => {
        truncateSync(path, 10);
      },
    ],
    [
      'was written',
      (path) => {
        utimesSync(path, 1, 1);
      },
    ],
    [
      'was replaced',
      (path) => {
        writeFileSync(`${path}.new`, '');
        renameSync(`${path}.new`, path);
      },
    ],
    [
      'was replaced',
      (path) => {
        renameSync(path, `${path}.old`);
      },
    ],
  ];
  for (const [message, change] of changes) {
    const path = newDisk(t);
    const image = await openImage(path);
    await image.assertUnchanged();
    change(path);
    await t.rejects(image.assertUnchanged(), { code: 'IMAGE_CHANGED', message: new RegExp(message) });
    await image.close();
  }
});

t.test('a file that became shorter is not read past its end', async (t) => {
  const path = newDisk(t);
  const image = await openImage(path);
  truncateSync(path, 1000);
  await t.rejects(image.read(Buffer.alloc(4096), 0), { code: 'IMAGE_CHANGED', message: /shorter/ });
  t.same(await extentsOf(image), [{ offset: 0, length: 1000 }]);
  await image.close();
});

t.test('the fingerprint stays while the image does, and is not there for a fresh one', async (t) => {
  const path = newDisk(t);
  const print = async (clock: Clock): Promise<string | undefined> => {
    const image = await openImage(path, { clock });
    await image.close();
    return image.fingerprint;
  };
  t.equal(await print(systemClock), undefined);
  const before = await print(LATER);
  t.type(before, 'string');
  t.equal(await print(LATER), before);
  writeFileSync(path, Buffer.alloc(256 * 1024, 6));
  t.not(await print(LATER), before);
});

t.test('only files and block devices are images', async (t) => {
  const directory = temporaryDirectory(t);
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const folder = join(directory, 'folder.raw');
  mkdirSync(folder);
  await t.rejects(openImage(pipe), { code: 'IMAGE_FORMAT', message: /is a pipe or socket/ });
  await t.rejects(openImage(folder), { code: 'IMAGE_FORMAT', message: /is a directory/ });
  await t.rejects(openImage('/dev/zero'), { code: 'IMAGE_FORMAT', message: /is a character device/ });
  await t.rejects(openImage(join(directory, 'none')), {
    code: 'IMAGE_NOT_FOUND',
    message: /none does not exist/,
    hint: /disk image/,
  });
  await t.rejects(openImage(join(pipe, 'none')), { code: 'IMAGE_NOT_FOUND' });
});

t.test('a link is followed, and its target is what is locked', async (t) => {
  const path = newDisk(t);
  const link = `${path}.link`;
  symlinkSync(path, link);
  const image = await openImage(link);
  t.equal(image.path, link);
  t.match(await qemuIo(path, 'raw', 'write 0 4k'), /Failed to get "write" lock/);
  await image.close();
});
