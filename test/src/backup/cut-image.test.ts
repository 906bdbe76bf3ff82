import { closeSync, openSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { DiskImage } from '../../../agent/images/image.js';
import { cutImageRegion } from '../../../src/backup/cut-image.js';
import { REGION_BYTES } from '../../../src/codec/formats.js';
import { UmbraError } from '../../../src/common/errors.js';
import { dataExtents, fakeImage } from '../../kit/fake-image.js';
import { testPool } from '../../kit/machine-backups.js';
import { Random, testSeed } from '../../kit/random.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { randomVolume } from '../../kit/volumes.js';

t.test('a region is the same, read by a worker or by the image', async (t) => {
  const content = randomVolume(new Random(testSeed(t)), REGION_BYTES + 123_456);
  const pool = testPool(t);
  const file = path.join(temporaryDirectory(t), 'image');
  writeFileSync(file, content);
  const fd = openSync(file, 'r');
  for (const region of [0, 1]) {
    const part = content.subarray(region * REGION_BYTES, (region + 1) * REGION_BYTES);
    const extents = dataExtents(part).flatMap(({ offset, length }) => [offset, length]);
    const input = { region, length: part.length, extents, dataBytes: 0 };
    const memory = new SharedArrayBuffer(REGION_BYTES);
    for (const image of [{ ...fakeImage(content), fd }, fakeImage(content)]) {
      Buffer.from(memory).fill(0xee);
      await cutImageRegion(image, pool, memory, input);
      t.ok(Buffer.from(memory).subarray(0, part.length).equals(part));
    }
  }
  closeSync(fd);
});

t.test('what fails is the image, or its change, by name', async (t) => {
  const pool = testPool(t);
  const file = path.join(temporaryDirectory(t), 'image');
  writeFileSync(file, Buffer.alloc(1000));
  const fd = openSync(file, 'r');
  const input = { region: 0, length: 5000, extents: [0, 5000], dataBytes: 5000 };
  const memory = new SharedArrayBuffer(REGION_BYTES);
  const cutting = (image: DiskImage): Promise<unknown> => cutImageRegion(image, pool, memory, input);
  const image = fakeImage(Buffer.alloc(5000), { path: '/images/web.raw' });
  await t.rejects(cutting({ ...image, fd }), {
    code: 'IMAGE_CHANGED',
    message: /^\/images\/web\.raw became shorter .* byte 1000$/,
  });
  closeSync(fd);
  await t.rejects(cutting({ ...image, fd }), {
    code: 'IMAGE_FAILED',
    message: /^\/images\/web\.raw cannot be read: EBADF/,
  });
  const read = (): Promise<void> => Promise.reject(new UmbraError('IMAGE_IN_USE', 'someone writes'));
  await t.rejects(cutting({ ...image, read }), { code: 'IMAGE_IN_USE' });
});
