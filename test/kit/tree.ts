import type { TreeScope } from '../../mount/listing.js';
import { VirtualTree } from '../../mount/tree.js';
import type { FakeSource } from './fake-source.js';

/** The owner of everything in {@link treeOf}'s trees. */
export const OWNER = { uid: 1234, gid: 5678 };
/** When those trees were made. */
export const MADE_AT_MS = Date.UTC(2026, 0, 1);

/** A virtual tree over a fake source. */
export function treeOf(source: FakeSource, scope?: TreeScope): VirtualTree {
  return new VirtualTree({ source, ...OWNER, nowMs: MADE_AT_MS, ...(scope && { scope }) });
}

/** A whole file of a tree, read in pieces. */
export async function readAll(tree: VirtualTree, path: string, pieceBytes = 65_536): Promise<Buffer> {
  const file = await tree.open(path);
  const pieces: Uint8Array[] = [];
  for (let offset = 0; ;) {
    const piece = new Uint8Array(pieceBytes);
    const length = await file.read(piece, offset);
    pieces.push(piece.subarray(0, length));
    offset += length;
    if (length < pieceBytes) break;
  }
  await file.close();
  return Buffer.concat(pieces);
}

/** The names in a directory of a tree. */
export async function namesIn(tree: VirtualTree, path: string): Promise<string[]> {
  return (await tree.list(path)).map(({ name }) => name);
}
