import { UmbraError } from '../../src/common/errors.js';
import type { StoredChain, StoredFile } from '../../src/protocol/stored-chains.js';
import { HEADER_BYTES, isRefused, parseQcow2Header, type Qcow2Header } from '../../src/qcow2/header.js';
import { type ByteSource, lengthWithin } from '../blocks/byte-source.js';
import type { ImageCaches } from '../qcow2/image-caches.js';
import { Qcow2Source } from '../qcow2/qcow2-source.js';

/** A disk that is read from the files that it was stored as. */
export interface OpenedDisk {
  readonly source: ByteSource;
  /** Forget what is kept of it; the files are the caller's to close. */
  readonly close: () => void;
}

/**
 * The disk that stored files make up: the shadow copy says what lies on what, and not their headers, which a guest may have
 * written. Reads their headers.
 * @param sourceOf - the bytes of a volume
 * @throws {UmbraError} FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED
 */
export async function openChain(
  { files }: StoredChain,
  sourceOf: (volume: string) => ByteSource,
  caches: ImageCaches,
): Promise<OpenedDisk> {
  const layers: Qcow2Source[] = [];
  let below: ByteSource | undefined;
  for (const stored of files) {
    const file = sourceOf(stored.volume);
    if (stored.format === 'raw') {
      below = file;
      continue;
    }
    const header = await readHeader(stored, file, below !== undefined);
    const layer = new Qcow2Source({ name: stored.volume, file, header, below, caches });
    layers.push(layer);
    below = layer;
  }
  if (below === undefined) throw new UmbraError('FILESYSTEM_DAMAGED', 'a disk of no files');
  return {
    source: below,
    close: () => {
      for (const layer of layers) layer.close();
    },
  };
}

async function readHeader({ volume }: StoredFile, file: ByteSource, liesOnAnother: boolean): Promise<Qcow2Header> {
  const bytes = Buffer.alloc(HEADER_BYTES);
  const length = lengthWithin(file.sizeBytes, HEADER_BYTES, 0);
  if (length > 0) await file.read(bytes.subarray(0, length), 0);
  const header = parseQcow2Header(bytes);
  if (isRefused(header)) {
    throw new UmbraError(
      header.isDamaged ? 'FILESYSTEM_DAMAGED' : 'FILESYSTEM_UNREADABLE',
      `${volume} ${header.refused}`,
    );
  }
  if (header.l1Offset + header.l1Entries * 8 > file.sizeBytes) {
    throw new UmbraError('FILESYSTEM_DAMAGED', `${volume} is damaged or was cut off: its L1 table lies behind its end`);
  }
  const namesAnother = header.backingName.length > 0;
  if (namesAnother === liesOnAnother) return header;
  throw namesAnother
    ? new UmbraError('FILESYSTEM_UNREADABLE', `${volume} lies on a file that is not stored`)
    : new UmbraError('FILESYSTEM_DAMAGED', `${volume} lies on no other file, and the shadow copy says that it does`);
}
