import { isEntryName, type DirectoryEntry, type DirectoryNode, type NodeStat, type TreeNode } from '../node.js';
import { BytesFile } from './bytes-file.js';
import { directoryStat, type VersionContext } from './context.js';
import { configIndex, VERSION_INDEX } from './inode-index.js';

/** `config/`: the machine's configuration files as they were. They may hold secrets: only the owner reads them. */
export class ConfigNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: VersionContext;

  constructor(context: VersionContext) {
    this.#context = context;
  }

  stat(): Promise<NodeStat> {
    const ino = this.#context.ino(VERSION_INDEX.config);
    return Promise.resolve(directoryStat(this.#context, ino, 0, this.#context.summary.timeMs));
  }

  async lookup(name: string): Promise<TreeNode | undefined> {
    const { config } = await this.#context.view();
    const position = config.findIndex((file) => file.name === name);
    const file = config[position];
    if (file === undefined || !isEntryName(name)) return undefined;
    return new BytesFile({
      context: this.#context,
      ino: this.#context.ino(configIndex(position)),
      permissions: 0o400,
      mtimeMs: this.#context.summary.timeMs,
      load: () => Promise.resolve(file.data),
    });
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    const { config } = await this.#context.view();
    yield config
      .map(({ name }, position) => ({ name, kind: 'file' as const, ino: this.#context.ino(configIndex(position)) }))
      .filter(({ name }) => isEntryName(name));
  }
}
