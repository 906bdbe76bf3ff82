import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';

import { openStoredChain } from '../../../agent/images/stored-chain.js';
import { systemClock } from '../../../src/common/clock.js';
import type { RestoreVolumeResult } from '../../../src/protocol/api.js';
import type { Target } from '../../../src/restore/target.js';
import { writeImage } from '../../../src/restore/write-image.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

t.test('targets of all kinds, and those that take nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const image = join(directory, 'image.raw');
  const content = Buffer.alloc(3 * MIB);
  content.fill(1, MIB, MIB + 5000);
  writeFileSync(image, content);
  const disk = await openStoredChain([{ path: image, format: 'raw' }], systemClock);
  t.teardown(() => disk.close());
  const path = join(directory, 'target');
  const write = async (
    before: number,
    flags: string,
    how: Partial<Target> = {},
    signal = new AbortController().signal,
  ): Promise<RestoreVolumeResult> => {
    writeFileSync(path, Buffer.alloc(before, 7));
    const handle = await open(path, flags);
    const target: Target = { path, kind: 'file', isNew: false, sizeBytes: before, handle, ...how };
    try {
      const { client } = disk;
      return await writeImage({ name: 'vda', client, target, signal, onPassed: () => undefined });
    } finally {
      await handle.close();
    }
  };
  t.match(await write(0, 'r+', { isNew: true }), { writtenBytes: MIB, differential: false });
  t.ok(readFileSync(path).equals(content));
  t.ok(statSync(path).blocks * 512 < 2 * MIB, 'zeros are not written to a new file');
  t.match(await write(100, 'r+'), { differential: true, writtenBlocks: 3, comparedBytes: 3 * MIB });
  t.ok(readFileSync(path).equals(content));
  t.match(await write(100, 'r+', { kind: 'device', sizeBytes: 4 * MIB }), { sizeBytes: 3 * MIB });
  t.ok(readFileSync(path).equals(content.subarray(0, MIB + 8192)), 'what reads as zeros behind the end is left so');
  await t.rejects(write(100, 'r'), { code: 'TARGET_FAILED' });
  await t.rejects(write(100, 'r', { kind: 'device', sizeBytes: 4 * MIB }), { code: 'TARGET_FAILED' });
  await t.rejects(write(100, 'r+', {}, AbortSignal.abort()), { name: 'AbortError' });
});
