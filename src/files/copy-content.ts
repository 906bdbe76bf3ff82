import type { FileHandle } from 'node:fs/promises';
import type { FileId, Filesystem } from '../../mount/filesystems/filesystem.js';
import { UmbraError } from '../common/errors.js';

const PIECE_BYTES = 1024 * 1024;

export interface CopyContentOptions {
  readonly filesystem: Filesystem;
  readonly id: FileId;
  readonly sizeBytes: number;
  /** An empty file. */
  readonly handle: FileHandle;
  readonly signal: AbortSignal;
  /** Called with the number of bytes whenever some were written. */
  readonly onWritten: (bytes: number) => void;
}

/**
 * Copy the content of a regular file; its holes stay holes. While one piece is written, the next is read.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED, CANCELLED; system errors of the target
 */
export async function copyContent(options: CopyContentOptions): Promise<void> {
  const { filesystem, id, sizeBytes, handle, signal, onWritten } = options;
  const reader = await filesystem.open(id);
  const buffers = [allocate(sizeBytes), allocate(sizeBytes)];
  let writing: Promise<unknown> = Promise.resolve();
  let end = 0;
  try {
    for await (const extent of filesystem.extents(id)) {
      const stop = Math.min(extent.offset + extent.length, sizeBytes);
      if (extent.kind === 'hole') continue;
      for (let at = extent.offset; at < stop;) {
        signal.throwIfAborted();
        const buffer = buffers.shift() ?? allocate(sizeBytes);
        buffers.push(buffer);
        const piece = buffer.subarray(0, Math.min(buffer.length, stop - at));
        const length = await reader.read(piece, at);
        if (length < piece.length) throw new UmbraError('FILESYSTEM_DAMAGED', `the file ends at ${at + length}`);
        await writing;
        writing = writeAll(handle, piece, at).then(() => {
          onWritten(length);
        });
        // Whoever awaits it gets the error; until then it is no unhandled rejection.
        writing.catch(() => undefined);
        at += length;
        end = at;
      }
    }
  } finally {
    // Nothing is under way any more when this ends: the file may be closed.
    await writing.catch(() => undefined);
  }
  await writing;
  if (end !== sizeBytes) await handle.truncate(sizeBytes);
}

function allocate(sizeBytes: number): Buffer {
  return Buffer.allocUnsafe(Math.max(1, Math.min(PIECE_BYTES, sizeBytes)));
}

async function writeAll(handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }
}
