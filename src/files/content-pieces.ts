import type { Extent, FileId, Filesystem } from '../../mount/filesystems/filesystem.js';
import { digestOf } from '../codec/digest.js';
import type { NamedBytes, VolumeLayout } from './volume-layout.js';

/** A stretch of a file's content, named. */
export type ContentPiece =
  | NamedBytes
  /** Made from other bytes, all of it: `key` names those, how, and which part of what is made of them it is. */
  | { readonly kind: 'encoded'; readonly length: number; readonly key: Buffer };

/** Compressed extents are short in all file systems; longer ones are read. */
const MAX_SOURCES = 4_096;

/**
 * The content of a regular file in named pieces, in order, without reading it.
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function* contentPieces(
  filesystem: Filesystem,
  id: FileId,
  layout: VolumeLayout,
): AsyncGenerator<ContentPiece> {
  for await (const extent of filesystem.extents(id)) {
    if (extent.kind === 'hole') yield { kind: 'zeros', length: extent.length };
    else if (extent.kind === 'inline') yield { kind: 'unnamed', length: extent.length };
    else if (extent.encoded) yield await encodedPiece(extent, layout);
    else for (const location of extent.locations) yield* layout.names(location);
  }
}

async function encodedPiece(extent: Extract<Extent, { kind: 'stored' }>, layout: VolumeLayout): Promise<ContentPiece> {
  const { length } = extent;
  const names: Buffer[] = [Buffer.from(`${extent.encoding ?? ''};${extent.encodedFrom ?? 0};`)];
  for (const location of extent.locations) {
    for await (const bytes of layout.names(location)) {
      const name = nameOf(bytes);
      if (name === undefined || names.length > MAX_SOURCES) return { kind: 'unnamed', length };
      names.push(name);
    }
  }
  return { kind: 'encoded', length, key: Buffer.from(digestOf(Buffer.concat(names))) };
}

/** What names a piece: the same name, the same bytes; undefined for those that have none. */
export function nameOf(piece: ContentPiece): Buffer | undefined {
  switch (piece.kind) {
    case 'unnamed':
      return undefined;
    case 'zeros':
      return Buffer.from(`z${piece.length};`);
    case 'encoded':
      return Buffer.concat([Buffer.from(`e${piece.length};`), piece.key]);
    case 'chunk':
      return Buffer.concat([Buffer.from(`c${piece.offset},${piece.length};`), piece.chunk.digest]);
  }
}
