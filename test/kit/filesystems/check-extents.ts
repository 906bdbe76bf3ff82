import type { ByteSource } from '../../../mount/blocks/byte-source.js';
import type { Extent, FileId, Filesystem } from '../../../mount/filesystems/filesystem.js';

/** All extents of a file. */
export async function allExtents(filesystem: Filesystem, id: FileId): Promise<Extent[]> {
  const extents: Extent[] = [];
  for await (const extent of filesystem.extents(id)) extents.push(extent);
  return extents;
}

/**
 * What is wrong with the extents of a file: they must be in order and without gaps, and what they say must be what
 * reading the file gives.
 */
export async function extentProblems(filesystem: Filesystem, source: ByteSource, id: FileId): Promise<string[]> {
  const problems: string[] = [];
  const file = await filesystem.open(id);
  let end = 0;
  for (const extent of await allExtents(filesystem, id)) {
    if (extent.offset !== end || extent.length <= 0)
      problems.push(`${extent.length} bytes at ${extent.offset}, not ${end}`);
    end = extent.offset + extent.length;
    const content = Buffer.alloc(extent.length);
    await file.read(content, extent.offset);
    if (extent.kind === 'hole' && content.some((byte) => byte !== 0))
      problems.push(`bytes in the hole at ${extent.offset}`);
    if (extent.kind === 'stored' && !extent.encoded && !(await gather(source, extent)).equals(content)) {
      problems.push(`other bytes at ${extent.offset}`);
    }
  }
  if (end !== file.sizeBytes) problems.push(`they end at ${end}, not at ${file.sizeBytes}`);
  return problems;
}

async function gather(source: ByteSource, extent: Extent & { kind: 'stored' }): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const { offset, length } of extent.locations) {
    const bytes = Buffer.alloc(length);
    await source.read(bytes, offset);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}
