import { copyFileSync, openSync, closeSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openImage } from '../../../agent/images/open-image.js';
import { isUmbraError } from '../../../src/common/errors.js';
import { extentsOf } from '../../kit/image-content.js';
import { qemuImg, qemuIo } from '../../kit/qemu.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const ROUNDS = 25;

t.test('damaged headers give errors of ours or an image, never a hang', async (t) => {
  const random = new Random(testSeed(t));
  const directory = temporaryDirectory(t);
  const good = join(directory, 'good.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=4k', good, '1M');
  await qemuIo(good, 'qcow2', 'write -P 3 0 300k');
  const outcomes = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const path = join(directory, `fuzzed${round}.qcow2`);
    const bytes = readFileSync(good);
    // The header, or the tables behind it; the magic stays, so that QEMU gets to see it.
    const range = random.chance(0.6) ? 104 : bytes.length - 8;
    for (let count = random.between(1, 4); count > 0; count--) bytes[8 + random.below(range)] = random.below(256);
    writeFileSync(path, random.chance(0.2) ? bytes.subarray(0, random.between(8, bytes.length)) : bytes);
    const outcome = await tryToRead(path);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    t.not(outcome, 'a defect', `round ${round}`);
  }
  t.comment(Object.fromEntries(outcomes));
});

/** The code of the error, or `read`. */
async function tryToRead(path: string): Promise<string> {
  try {
    const image = await openImage(path);
    try {
      // A damaged size may be anything; the beginning is enough.
      await image.read(Buffer.alloc(Math.min(image.sizeBytes, 1024 * 1024)), 0);
      if (image.sizeBytes < 2 ** 30) await extentsOf(image);
    } finally {
      await image.close();
    }
    return 'read';
  } catch (error) {
    return isUmbraError(error) && error.code !== 'INTERNAL' ? error.code : 'a defect';
  }
}

t.test('a guest that writes a qcow2 header to its raw disk reads nothing of the host', async (t) => {
  const directory = temporaryDirectory(t);
  const secret = join(directory, 'secret');
  writeFileSync(secret, 'a file of the host'.padEnd(65_536));
  const trap = join(directory, 'trap.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', secret, '-F', 'raw', trap);
  for (const name of ['disk.raw', 'disk.img', 'disk', 'disk.snap1']) {
    const path = join(directory, name);
    copyFileSync(trap, path);
    await t.rejects(openImage(path), { code: 'IMAGE_FORMAT', hint: /--format raw/ }, name);
    const image = await openImage(path, { format: 'raw' });
    const head = Buffer.alloc(4);
    await image.read(head, 0);
    t.equal(head.toString('latin1'), 'QFI\xfb');
    await image.close();
  }
});

t.test('a raw base whose guest wrote a qcow2 header stays raw in a chain', async (t) => {
  const directory = temporaryDirectory(t);
  const base = join(directory, 'base.raw');
  qemuImg('create', '-q', '-f', 'raw', base, '1M');
  const top = join(directory, 'top.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', top);
  const trap = join(directory, 'trap.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', trap, '7M');
  const fd = openSync(base, 'r+');
  const bytes = readFileSync(trap).subarray(0, 512 * 1024);
  writeSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
  const image = await openImage(top);
  const content = Buffer.alloc(bytes.length);
  await image.read(content, 0);
  t.ok(content.equals(bytes));
  await image.close();
});
