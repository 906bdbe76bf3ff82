import type { FileReader } from '../../mount/filesystems/filesystem.js';
import { UmbraError } from '../common/errors.js';
import { printable } from '../common/printable.js';
import type { ReadFileRequest } from '../protocol/files-api.js';
import { locateFile } from './file-location.js';
import { OpenedVersion, type FilesContext } from './opened-version.js';

export interface ReadFileOptions {
  readonly context: FilesContext;
  readonly request: ReadFileRequest;
  readonly signal: AbortSignal;
}

/** A file that is read from its beginning to its end. */
export interface FileContent {
  readonly machine: string;
  readonly shadowCopy: string;
  readonly sizeBytes: number;
  /**
   * Its bytes, a piece at a time.
   * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED, CANCELLED
   */
  pieces(): AsyncGenerator<Uint8Array, void>;
  /** Until then the shadow copy can't be forgotten. */
  close(): Promise<void>;
}

const PIECE_BYTES = 256 * 1024;

/**
 * The content of a regular file; a symbolic link is followed inside its file system.
 * @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT for what is no regular file; FILESYSTEM_*, STORE_*
 */
export async function readFile({ context, request, signal }: ReadFileOptions): Promise<FileContent> {
  const listing = context.store.catalog.find(request.machine, request.version);
  const version = await OpenedVersion.open(context, listing, `a look into ${request.path}`);
  try {
    const file = await locateFile(version.files, request.path, { title: version.title, followLast: true });
    if (file.stat.type !== 'file') throw noFile(request.path, file.stat.type);
    const reader = await file.filesystem.open(file.id);
    const { sizeBytes } = file.stat;
    return {
      machine: listing.machine,
      shadowCopy: listing.name,
      sizeBytes,
      pieces: () => readPieces(reader, sizeBytes, signal),
      close: () => version.close(),
    };
  } catch (error) {
    await version.close();
    throw error;
  }
}

async function* readPieces(
  reader: FileReader,
  sizeBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  for (let offset = 0; offset < sizeBytes;) {
    signal.throwIfAborted();
    // A new one each time: the one before may not have been sent yet.
    const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, sizeBytes - offset));
    const length = await reader.read(piece, offset);
    if (length < piece.length) throw new UmbraError('FILESYSTEM_DAMAGED', `the file ends at ${offset + length}`);
    yield piece;
    offset += length;
  }
}

function noFile(path: string, type: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `${printable(path)} is a ${type}, not a file`, {
    hint: type === 'directory' ? '"umbra ls" lists it, "umbra cp -r" copies it.' : '"umbra ls -l" shows what it is.',
  });
}
