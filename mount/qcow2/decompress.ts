import { constants, inflateRawSync } from 'node:zlib';
import type { Qcow2Header } from '../../src/qcow2/header.js';
import { zstdDecompress } from '../../src/system/zstd.js';

/**
 * A cluster from what is stored of it, with whatever follows in its last sector.
 * @returns undefined if that makes no sense, or another number of bytes
 * @throws {UmbraError} PROGRAM_MISSING without libzstd
 */
export function decompressCluster(
  compression: Qcow2Header['compression'],
  stored: Buffer,
  clusterBytes: number,
): Buffer | undefined {
  const plain = compression === 'zlib' ? inflate(stored, clusterBytes) : unpack(stored, clusterBytes);
  return plain?.length === clusterBytes ? plain : undefined;
}

function inflate(stored: Buffer, clusterBytes: number): Buffer | undefined {
  try {
    // QEMU takes a cluster that is complete, whether or not its stream has an end.
    return inflateRawSync(stored, { maxOutputLength: clusterBytes, finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return undefined;
  }
}

function unpack(stored: Buffer, clusterBytes: number): Buffer | undefined {
  const target = Buffer.allocUnsafe(clusterBytes);
  const made = zstdDecompress(target, stored);
  return made === undefined ? undefined : target.subarray(0, made);
}
