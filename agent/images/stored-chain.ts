import type { Clock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import { Feature, HEADER_BYTES, QCOW2_MAGIC } from '../../src/qcow2/header.js';
import { ImageFile } from './image-file.js';
import type { NodeFile } from './image-node.js';
import type { NbdClient } from './nbd/nbd-client.js';
import { checkWhole, notWhole } from './qemu-check.js';
import { startQemuNbd } from './qemu-nbd.js';

/** A disk that is read from files of which a list says how they lie on each other. */
export interface StoredDisk {
  readonly client: NbdClient;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Open files that came from elsewhere as one disk. A guest may have written what their headers name: QEMU opens these files, in
 * these formats, and no others.
 * @param files - the bottom first; at least one
 * @throws {UmbraError} IMAGE_FORMAT, IMAGE_IN_USE, IMAGE_FAILED, PROGRAM_MISSING
 */
export async function openStoredChain(files: readonly NodeFile[], clock: Clock): Promise<StoredDisk> {
  for (const [index, { path, format }] of files.entries()) {
    const file = await ImageFile.open(path, clock);
    try {
      if (format !== 'raw') await checkHeader(file, index > 0);
      await checkWhole(file, format, true);
    } finally {
      await file.close();
    }
  }
  const topFirst = files.toReversed();
  const [{ path, format } = { path: '', format: 'raw' as const }] = topFirst;
  return await startQemuNbd({ path, format, files: topFirst, writable: false, clock });
}

async function checkHeader(file: ImageFile, liesOnAnother: boolean): Promise<void> {
  const { path, sizeBytes } = file;
  const header = Buffer.alloc(HEADER_BYTES);
  await file.read(header.subarray(0, Math.min(HEADER_BYTES, sizeBytes)), 0);
  if (header.readUInt32BE(0) !== QCOW2_MAGIC) throw refuse(path, 'is no qcow2 image');
  const features = header.readUInt32BE(4) < 3 ? 0n : header.readBigUInt64BE(72);
  if (header.readUInt32BE(32) !== 0) throw refuse(path, 'is encrypted');
  if ((features & Feature.damaged) !== 0n) throw notWhole(path, 'is marked as damaged');
  if ((features & Feature.dataElsewhere) !== 0n) throw refuse(path, 'has its data in another file');
  const namesAnother = header.readBigUInt64BE(8) !== 0n && header.readUInt32BE(16) !== 0;
  if (namesAnother && !liesOnAnother) throw refuse(path, 'lies on a file that is not stored');
  if (!namesAnother && liesOnAnother)
    throw refuse(path, 'lies on no other file, and the shadow copy says that it does');
}

function refuse(path: string, what: string): UmbraError {
  return new UmbraError('IMAGE_FORMAT', `${path} ${what}`, {
    hint: 'Restore the files as they are, without --merge, and look at them there.',
  });
}
