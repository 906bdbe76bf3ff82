import { copyFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openImage } from '../../../agent/images/open-image.js';
import { systemClock, type Clock } from '../../../src/common/clock.js';
import { isUmbraError } from '../../../src/common/errors.js';
import type { ByteRange } from '../../../src/protocol/api.js';
import { contentOf } from '../../kit/image-content.js';
import { qemuImg } from '../../kit/qemu.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;
const LATER: Clock = { ...systemClock, now: () => systemClock.now() + 3_600_000 };

const IMAGES: readonly (readonly [name: string, driver: string, ...options: string[]])[] = [
  ['disk.qcow2', 'qcow2'],
  ['zlib.qcow2', 'qcow2', '-c'],
  ['disk.vhdx', 'vhdx'],
  ['disk.vdi', 'vdi'],
  ['disk.vhd', 'vpc', '-o', 'force_size=on'],
  ['disk.vmdk', 'vmdk'],
  ['stream.vmdk', 'vmdk', '-o', 'subformat=streamOptimized'],
];

/** What is read of an image, or undefined if it is refused as damaged. */
async function readOrRefused(path: string): Promise<Buffer | undefined> {
  try {
    const image = await openImage(path, { clock: LATER });
    try {
      return await contentOf(image);
    } finally {
      await image.close();
    }
  } catch (error) {
    if (isUmbraError(error, 'IMAGE_FORMAT', 'IMAGE_FAILED')) return undefined;
    throw error;
  }
}

t.test('an image that was cut off is never read as if the rest were zeros', async (t) => {
  const directory = temporaryDirectory(t);
  const random = new Random(testSeed(t));
  const disk = Buffer.alloc(32 * MIB);
  for (const at of [1, 9, 17, 25]) random.bytes(2 * MIB).copy(disk, at * MIB);
  const source = join(directory, 'source.raw');
  writeFileSync(source, disk);
  for (const [name, driver, ...options] of IMAGES) {
    const whole = join(directory, name);
    qemuImg('convert', '-f', 'raw', '-O', driver, ...options, source, whole);
    t.ok((await readOrRefused(whole))?.equals(disk), `${name}, whole`);
    const { size } = statSync(whole);
    let refused = 0;
    for (const share of [0.02, 0.2, 0.5, 0.8, 0.97]) {
      const path = join(directory, `cut-${name}`);
      copyFileSync(whole, path);
      truncateSync(path, Math.floor(size * share));
      const content = await readOrRefused(path);
      if (content === undefined) refused++;
      t.ok(content?.equals(disk) ?? true, `${name}, cut off at ${share}`);
    }
    t.ok(refused >= 4, `${name}: ${refused} were refused`);
  }
});

t.test('new images of any size are whole', async (t) => {
  const directory = temporaryDirectory(t);
  for (const [index, size] of ['1M', '3G', '1T', '40T'].entries()) {
    for (const options of ['cluster_size=65536', 'cluster_size=2M', 'preallocation=off,compat=0.10']) {
      const path = join(directory, `${index}-${options}.qcow2`);
      qemuImg('create', '-f', 'qcow2', '-o', options, path, size);
      const image = await openImage(path, { clock: LATER });
      const extents: ByteRange[] = [];
      for await (const extent of image.extents()) extents.push(extent);
      t.same(extents, [], `${size} ${options}`);
      await image.close();
    }
  }
});

t.test('what lacks a part says so, also behind an overlay', async (t) => {
  const directory = temporaryDirectory(t);
  const path = (name: string): string => join(directory, name);
  writeFileSync(path('source.raw'), new Random(1).bytes(8 * MIB));
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', path('source.raw'), path('base.qcow2'));
  qemuImg('create', '-f', 'qcow2', '-F', 'qcow2', '-b', path('base.qcow2'), path('top.qcow2'));
  truncateSync(path('base.qcow2'), 4 * MIB);
  const image = await openImage(path('top.qcow2'), { clock: LATER });
  await t.rejects(contentOf(image), {
    code: 'IMAGE_FORMAT',
    message: /base\.qcow2 is damaged or was cut off: it has \d+ errors/,
    hint: /qemu-img check/,
  });
  await image.close();

  qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=monolithicFlat', path('source.raw'), path('f.vmdk'));
  truncateSync(path('f-flat.vmdk'), 5 * MIB);
  await t.rejects(openImage(path('f.vmdk'), { clock: LATER }), {
    code: 'IMAGE_FORMAT',
    message: /f-flat\.vmdk is damaged or was cut off: it has 5242880 of 8388608 bytes/,
  });
});
