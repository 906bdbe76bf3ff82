import { after, type Eventually } from '../../src/common/eventually.js';
import { ROOT_INODE } from '../inodes.js';
import type { DirectoryEntry, DirectoryNode, NodeStat, TreeNode } from '../node.js';
import { directoryStat, type TreeContext } from './context.js';
import { MACHINE_INDEX, SHARES_OWNER } from './inode-index.js';
import { MachineNode } from './machine.js';
import { SHARES, SharesNode, sharesOf } from './shares.js';

/** The mount point itself: a directory for each machine, and one of the shares when there are some. */
export class RootNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: TreeContext;

  constructor(context: TreeContext) {
    this.#context = context;
  }

  async stat(): Promise<NodeStat> {
    const machines = await this.#context.listing.machines();
    const count = machines.length + ((await this.#hasShares()) ? 1 : 0);
    return directoryStat(this.#context, ROOT_INODE, count, this.#context.madeAtMs);
  }

  lookup(name: string): Eventually<TreeNode | undefined> {
    if (name === SHARES) {
      return this.#hasShares().then((hasShares) => (hasShares ? new SharesNode(this.#context) : undefined));
    }
    return after(this.#context.listing.versions(name), ({ list }) =>
      list.length === 0 ? undefined : new MachineNode(this.#context, name),
    );
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    const machines = await this.#context.listing.machines();
    yield machines.map((name) => ({
      name,
      kind: 'directory',
      ino: this.#context.inodes.number(name, MACHINE_INDEX.directory),
    }));
    if (!(await this.#hasShares())) return;
    yield [{ name: SHARES, kind: 'directory', ino: this.#context.inodes.number(SHARES_OWNER, 0) }];
  }

  async #hasShares(): Promise<boolean> {
    return (await sharesOf(this.#context)).length > 0;
  }
}
