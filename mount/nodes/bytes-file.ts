import type { FileNode, NodeStat, OpenFile } from '../node.js';
import type { TreeContext } from './context.js';

export interface BytesFileOptions {
  readonly context: TreeContext;
  readonly ino: number;
  readonly permissions: number;
  readonly mtimeMs: number;
  /** The content; asked for when the file is looked at. */
  readonly load: () => Promise<Uint8Array>;
}

/** A small file whose whole content is in memory. */
export class BytesFile implements FileNode {
  readonly kind = 'file';
  readonly #options: BytesFileOptions;

  constructor(options: BytesFileOptions) {
    this.#options = options;
  }

  async stat(): Promise<NodeStat> {
    const { context, ino, permissions, mtimeMs, load } = this.#options;
    const sizeBytes = (await load()).byteLength;
    const blocks = Math.ceil(sizeBytes / 512);
    return {
      kind: 'file',
      ino,
      permissions,
      nlink: 1,
      uid: context.uid,
      gid: context.gid,
      sizeBytes,
      blocks,
      mtimeMs,
    };
  }

  async open(): Promise<OpenFile> {
    const data = await this.#options.load();
    return {
      read(target, offset) {
        const part = data.subarray(offset, offset + target.length);
        target.set(part);
        return Promise.resolve(part.length);
      },
      close: () => Promise.resolve(),
    };
  }
}
