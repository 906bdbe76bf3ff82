import type { FileReader } from '../filesystem.js';
import { AttributeType } from './attribute.js';
import type { NtfsCore } from './core.js';
import type { NtfsFile } from './file.js';
import { PlainReader } from './plain-reader.js';
import { streamOf } from './stream.js';
import { damaged } from './parse.js';

const EMPTY: FileReader = { sizeBytes: 0, read: () => 0 };

/** Open the content of a regular file. */
export async function openContent(core: NtfsCore, { inode, type }: NtfsFile): Promise<FileReader> {
  if (type !== 'file') throw damaged(`file ${inode.record.number} is no regular file`);
  const parts = await inode.parts(AttributeType.DATA, '');
  if (parts.length === 0) return EMPTY;
  return new PlainReader(core, streamOf(core, parts));
}
