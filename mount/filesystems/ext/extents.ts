import { Budget } from '../../blocks/budget.js';
import { runsOf } from './block-mapping.js';
import type { Extent } from '../filesystem.js';
import type { Inode } from './inode.js';
import { hasInlineData } from './inline-data.js';
import { mappingOf } from './mapping.js';
import type { Volume } from './volume.js';

/** Where the content of a regular file stands. Neighbouring runs of one kind are one extent. */
export async function* extentsOf(volume: Volume, inode: Inode): AsyncGenerator<Extent> {
  const { sizeBytes } = inode;
  if (sizeBytes === 0) return;
  if (hasInlineData(inode)) {
    yield { kind: 'inline', offset: 0, length: sizeBytes };
    return;
  }
  const { blockBytes, blocksCount } = volume.superblock;
  // A file that is not damaged has no more runs than there are blocks, and holes between them.
  const budget = new Budget(2 * blocksCount + 2, `runs of inode ${inode.number}`);
  let hole: { offset: number; length: number } | undefined;
  for await (const { start, length, physical } of runsOf(mappingOf(volume, inode), Math.ceil(sizeBytes / blockBytes))) {
    budget.spend();
    const offset = start * blockBytes;
    const part = { offset, length: Math.min(sizeBytes - offset, length * blockBytes) };
    if (physical === undefined) {
      hole = { offset: hole?.offset ?? offset, length: (hole?.length ?? 0) + part.length };
      continue;
    }
    if (hole !== undefined) yield { kind: 'hole', ...hole };
    hole = undefined;
    yield {
      kind: 'stored',
      ...part,
      encoded: false,
      locations: volume.source.locate(physical * blockBytes, part.length),
    };
  }
  if (hole !== undefined) yield { kind: 'hole', ...hole };
}
