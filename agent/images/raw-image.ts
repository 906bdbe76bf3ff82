import { setImmediate } from 'node:timers/promises';
import type { ByteRange } from '../../src/protocol/api.js';
import { messageOf, systemCode, UmbraError } from '../../src/common/errors.js';
import { advise, seekData, seekHole } from '../../src/system/sparse-file.js';
import { changedError, type ImageFile } from './image-file.js';
import type { DiskImage } from './image.js';

// Asking for an extent blocks the thread for some microseconds; others get their turn now and then.
const EXTENTS_AT_ONCE = 1024;

/** A raw disk image: the file's or block device's bytes are the disk's. Owns `file`. */
export function rawImage(file: ImageFile): DiskImage {
  advise(file.fd, 0, 0, 'sequential');
  return {
    path: file.path,
    format: 'raw',
    sizeBytes: file.sizeBytes,
    consistency: file.locked ? 'offline' : 'crash',
    fd: file.fd,
    fingerprint: file.fingerprint === undefined ? undefined : `raw ${file.fingerprint}`,
    extents: () => rawExtents(file),
    read: (target, offset) => file.read(target, offset),
    assertUnchanged: () => file.assertUnchanged(),
    close: () => file.close(),
  };
}

/** The file's data, asked for as it is consumed: an image may have any number of extents. */
async function* rawExtents(file: ImageFile): AsyncGenerator<ByteRange> {
  if (file.isDevice || !hasSeekData(file)) {
    if (file.sizeBytes > 0) yield { offset: 0, length: file.sizeBytes };
    return;
  }
  let at = 0;
  for (let count = 1; at < file.sizeBytes; count++) {
    if (count % EXTENTS_AT_ONCE === 0) await setImmediate();
    const extent = nextExtent(file, at);
    if (extent === undefined) return;
    yield extent;
    at = extent.offset + extent.length;
  }
}

/** The first data at or after `at`, cut at the size the image had when it was opened. */
function nextExtent(file: ImageFile, at: number): ByteRange | undefined {
  try {
    const start = seekData(file.fd, at);
    if (start === undefined || start >= file.sizeBytes) return undefined;
    const end = Math.min(seekHole(file.fd, start), file.sizeBytes);
    if (end > start) return { offset: start, length: end - start };
  } catch (error) {
    if (systemCode(error) !== 'ENXIO') throw seekFailed(file, error);
  }
  // Data that is gone when asked for its end: someone punched or cut the file in between.
  throw changedError(file.path, 'was written');
}

/** Some network and FUSE file systems don't know SEEK_DATA; there everything counts as data. */
function hasSeekData(file: ImageFile): boolean {
  try {
    seekData(file.fd, 0);
    return true;
  } catch (error) {
    if (['EINVAL', 'EOPNOTSUPP', 'ENOSYS', 'ENOTTY'].includes(systemCode(error) ?? '')) return false;
    throw seekFailed(file, error);
  }
}

function seekFailed(file: ImageFile, cause: unknown): UmbraError {
  return new UmbraError('IMAGE_FAILED', `the holes of ${file.path} cannot be found: ${messageOf(cause)}`, { cause });
}
