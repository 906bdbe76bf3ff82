import type { LinkNode, NodeStat } from '../node.js';
import type { ShadowCopySummary } from '../source.js';
import { TreeError } from '../tree-error.js';
import type { TreeContext } from './context.js';
import { MACHINE_INDEX } from './inode-index.js';

/** The name of the link beside a machine's shadow copies. */
export const LATEST = 'latest';

/** The link to a machine's newest shadow copy; looked up each time it is read. */
export class LatestNode implements LinkNode {
  readonly kind = 'link';
  readonly #context: TreeContext;
  readonly #machine: string;

  constructor(context: TreeContext, machine: string) {
    this.#context = context;
    this.#machine = machine;
  }

  async stat(): Promise<NodeStat> {
    const { name, timeMs } = await this.#target();
    return {
      kind: 'link',
      ino: this.#context.inodes.number(this.#machine, MACHINE_INDEX.latest),
      permissions: 0o777,
      nlink: 1,
      uid: this.#context.uid,
      gid: this.#context.gid,
      sizeBytes: Buffer.byteLength(name),
      blocks: 0,
      mtimeMs: timeMs,
    };
  }

  async readlink(): Promise<string> {
    return (await this.#target()).name;
  }

  async #target(): Promise<ShadowCopySummary> {
    const { latest } = await this.#context.listing.versions(this.#machine);
    if (latest === undefined) throw new TreeError('ENOENT', `${this.#machine}/${LATEST}`);
    return latest;
  }
}
