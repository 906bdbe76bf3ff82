import type { Extent, FileReader } from '../filesystem.js';
import { AttributeType } from './attribute.js';
import type { NtfsCore } from './core.js';
import type { NtfsFile } from './file.js';
import { FileAttribute } from './file-attributes.js';
import { openStream } from './open-stream.js';
import { damaged, unreadable } from './parse.js';
import { ReparseTag } from './reparse-point.js';
import { type Stream, streamOf } from './stream.js';
import { streamExtents, wholeExtents } from './stream-extents.js';
import { wofCompression, WOF_STREAM } from './wof.js';
import { WofReader } from './wof-reader.js';

const EMPTY: FileReader = { sizeBytes: 0, read: () => 0 };

/**
 * Open the content of a regular file.
 * @throws {UmbraError} FILESYSTEM_UNREADABLE for what is encrypted, or not on the volume
 */
export async function openContent(core: NtfsCore, file: NtfsFile): Promise<FileReader> {
  const stream = await contentStream(core, file);
  if (stream === undefined) return EMPTY;
  const compression = wofCompression(file.reparse);
  if (compression !== undefined) {
    return new WofReader({ core, compression, sizeBytes: stream.sizeBytes, packed: await packedStream(core, file) });
  }
  checkReadable(file);
  return openStream(core, stream);
}

/**
 * Where the content of a regular file stands. Of a placeholder that cannot be told by places: reading it gives the
 * error, so that nobody takes the zeros in its clusters for what is in the file.
 */
export async function* contentExtents(core: NtfsCore, file: NtfsFile): AsyncGenerator<Extent> {
  const stream = await contentStream(core, file);
  if (stream === undefined) return;
  if (isElsewhere(file)) yield { kind: 'inline', offset: 0, length: stream.sizeBytes };
  else {
    const compression = wofCompression(file.reparse);
    if (compression === undefined) yield* streamExtents(core, stream);
    else {
      const encoding = `${compression.algorithm}-${compression.chunkBytes}`;
      yield* wholeExtents(core, await packedStream(core, file), stream.sizeBytes, encoding);
    }
  }
}

async function contentStream(core: NtfsCore, { inode, type }: NtfsFile): Promise<Stream | undefined> {
  if (type !== 'file') throw damaged(`file ${inode.record.number} is no regular file`);
  const parts = await inode.parts(AttributeType.DATA, '');
  return parts.length === 0 ? undefined : streamOf(core, parts);
}

async function packedStream(core: NtfsCore, { inode }: NtfsFile): Promise<Stream> {
  return streamOf(core, await inode.parts(AttributeType.DATA, WOF_STREAM));
}

const ELSEWHERE: ReadonlySet<number> = new Set([
  ReparseTag.DEDUP,
  ReparseTag.SIS,
  ReparseTag.WIM,
  ReparseTag.WOF,
  ReparseTag.HSM,
  ReparseTag.HSM2,
]);

const AWAY = FileAttribute.OFFLINE | FileAttribute.RECALL_ON_OPEN | FileAttribute.RECALL_ON_DATA_ACCESS;

/** The clusters of a placeholder hold zeros: those are not the file's content. */
function isElsewhere({ reparse, information, sizeBytes }: NtfsFile): boolean {
  if (reparse === undefined || sizeBytes === 0 || wofCompression(reparse) !== undefined) return false;
  return ELSEWHERE.has(reparse.tag) || (information.attributes & AWAY) !== 0;
}

function checkReadable(file: NtfsFile): void {
  if (!isElsewhere(file)) return;
  const tag = (file.reparse?.tag ?? 0).toString(16).toUpperCase();
  throw unreadable(
    `the file's content is not here, but where a filter of Windows put it (reparse tag ${tag})`,
    'Read it with the Windows that the volume is from: it is deduplicated, archived, or in a cloud.',
  );
}
