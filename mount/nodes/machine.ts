import { after, type Eventually } from '../../src/common/eventually.js';
import type { DirectoryEntry, DirectoryNode, NodeStat, TreeNode } from '../node.js';
import { TreeError } from '../tree-error.js';
import { directoryStat, type TreeContext } from './context.js';
import { MACHINE_INDEX, VERSION_INDEX, versionOwner } from './inode-index.js';
import { LATEST, LatestNode } from './latest.js';
import { VersionNode } from './version.js';

/** A machine: a directory for each shadow copy, and the link `latest`. */
export class MachineNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: TreeContext;
  readonly #machine: string;

  constructor(context: TreeContext, machine: string) {
    this.#context = context;
    this.#machine = machine;
  }

  async stat(): Promise<NodeStat> {
    const { list } = await this.#context.listing.versions(this.#machine);
    const last = list.at(-1);
    if (last === undefined) throw new TreeError('ENOENT', this.#machine);
    const ino = this.#context.inodes.number(this.#machine, MACHINE_INDEX.directory);
    return directoryStat(this.#context, ino, list.length, last.timeMs);
  }

  lookup(name: string): Eventually<TreeNode | undefined> {
    return after(this.#context.listing.versions(this.#machine), ({ byName, latest }) => {
      if (name === LATEST) return latest === undefined ? undefined : new LatestNode(this.#context, this.#machine);
      const summary = byName.get(name);
      return summary === undefined ? undefined : new VersionNode(this.#context, this.#machine, summary);
    });
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    const { inodes, listing } = this.#context;
    const { list, latest } = await listing.versions(this.#machine);
    const entries: DirectoryEntry[] = list.map(({ name }) => ({
      name,
      kind: 'directory',
      ino: inodes.number(versionOwner(this.#machine, name), VERSION_INDEX.directory),
    }));
    if (latest !== undefined) {
      entries.push({ name: LATEST, kind: 'link', ino: inodes.number(this.#machine, MACHINE_INDEX.latest) });
    }
    yield entries;
  }
}
