import type { JournalState } from '../filesystem.js';
import { INCOMPAT } from './layout.js';
import { LogReplay, loggedSubvolumes } from './log-replay.js';
import type { NodeStore } from './node-store.js';
import { isFilesystemError } from './numbers.js';
import { OverlayTree, ReplayLimits } from './overlay-tree.js';
import { ReplayLinks } from './replay-links.js';
import { rootOf, type Subvolumes } from './subvolumes.js';
import type { Superblock } from './superblock.js';
import type { ItemTree } from './item-tree.js';
import { Tree } from './tree.js';

export interface ReplayedLog {
  readonly journal: JournalState;
  /** Subvolumes that were changed, by their numbers. */
  readonly trees: ReadonlyMap<number, ItemTree>;
  /** The logs themselves: they have the checksums of what they brought. */
  readonly logs: readonly ItemTree[];
  /** What the changed trees keep in memory. */
  readonly memoryBytes: number;
}

const NOTHING = { trees: new Map<number, ItemTree>(), logs: [], memoryBytes: 0 } as const;

/** Replay the log in memory, if there is one; if it cannot be, what was committed last is shown. */
export async function replayLog(
  superblock: Superblock,
  nodes: NodeStore,
  subvolumes: Subvolumes,
): Promise<ReplayedLog> {
  if (superblock.logRoot === undefined) return { ...NOTHING, journal: { state: 'clean' } };
  try {
    return await replayAll(superblock, nodes, subvolumes, new Tree(nodes, superblock.logRoot));
  } catch (error) {
    if (!isFilesystemError(error)) throw error;
    return { ...NOTHING, journal: { state: 'ignored', reason: error.message } };
  }
}

async function replayAll(
  { sectorBytes, nodeBytes, incompat }: Superblock,
  nodes: NodeStore,
  subvolumes: Subvolumes,
  logRoots: ItemTree,
): Promise<ReplayedLog> {
  const trees = new Map<number, ItemTree>();
  const logs: ItemTree[] = [];
  const limits = new ReplayLimits();
  for (const item of await loggedSubvolumes(logRoots)) {
    const id = item.offset;
    // The subvolume may have been deleted since.
    if (!(await subvolumes.has(id))) continue;
    const log = new Tree(nodes, rootOf(item));
    const tree = new OverlayTree(await subvolumes.tree(id), limits);
    const links = new ReplayLinks(tree, nodeBytes);
    await new LogReplay(log, { links, sectorBytes, noHoles: (incompat & INCOMPAT.noHoles) !== 0 }).run();
    trees.set(id, tree);
    logs.push(log);
  }
  limits.end();
  return { journal: { state: 'replayed' }, trees, logs, memoryBytes: limits.memoryBytes };
}
