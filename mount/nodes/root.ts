import { ROOT_INODE } from '../inodes.js';
import type { DirectoryEntry, DirectoryNode, NodeStat, TreeNode } from '../node.js';
import { directoryStat, type TreeContext } from './context.js';
import { MACHINE_INDEX } from './inode-index.js';
import { MachineNode } from './machine.js';

/** The mount point itself: a directory for each machine. */
export class RootNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: TreeContext;

  constructor(context: TreeContext) {
    this.#context = context;
  }

  async stat(): Promise<NodeStat> {
    const machines = await this.#context.listing.machines();
    return directoryStat(this.#context, ROOT_INODE, machines.length, this.#context.madeAtMs);
  }

  async lookup(name: string): Promise<TreeNode | undefined> {
    const versions = await this.#context.listing.versions(name);
    return versions.list.length === 0 ? undefined : new MachineNode(this.#context, name);
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    const machines = await this.#context.listing.machines();
    yield machines.map((name) => ({
      name,
      kind: 'directory',
      ino: this.#context.inodes.number(name, MACHINE_INDEX.directory),
    }));
  }
}
