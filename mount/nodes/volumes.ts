import {
  isEntryName,
  type DirectoryEntry,
  type DirectoryNode,
  type FileNode,
  type NodeStat,
  type OpenFile,
  type TreeNode,
} from '../node.js';
import type { VolumeSummary } from '../source.js';
import { directoryStat, type VersionContext } from './context.js';
import { VERSION_INDEX, volumeIndex } from './inode-index.js';

const SUFFIX = '.raw';

/** `volumes/`: each volume of a shadow copy as a raw disk image. */
export class VolumesNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: VersionContext;

  constructor(context: VersionContext) {
    this.#context = context;
  }

  stat(): Promise<NodeStat> {
    const ino = this.#context.ino(VERSION_INDEX.volumes);
    return Promise.resolve(directoryStat(this.#context, ino, 0, this.#context.summary.timeMs));
  }

  async lookup(name: string): Promise<TreeNode | undefined> {
    if (!name.endsWith(SUFFIX)) return undefined;
    const { volumes } = await this.#context.view();
    const position = volumes.findIndex((volume) => volume.name + SUFFIX === name);
    const volume = volumes[position];
    if (volume === undefined || !isEntryName(name)) return undefined;
    return new VolumeNode(this.#context, volume, this.#context.ino(volumeIndex(position)));
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    const { volumes } = await this.#context.view();
    yield volumes
      .map((volume, position) => ({
        name: volume.name + SUFFIX,
        kind: 'file' as const,
        ino: this.#context.ino(volumeIndex(position)),
      }))
      .filter(({ name }) => isEntryName(name));
  }
}

/** A raw volume. It holds every file of the guest, so only the owner reads it. */
class VolumeNode implements FileNode {
  readonly kind = 'file';
  readonly #context: VersionContext;
  readonly #volume: VolumeSummary;
  readonly #ino: number;

  constructor(context: VersionContext, volume: VolumeSummary, ino: number) {
    this.#context = context;
    this.#volume = volume;
    this.#ino = ino;
  }

  stat(): Promise<NodeStat> {
    return Promise.resolve({
      kind: 'file',
      ino: this.#ino,
      permissions: 0o400,
      nlink: 1,
      uid: this.#context.uid,
      gid: this.#context.gid,
      sizeBytes: this.#volume.sizeBytes,
      blocks: Math.ceil(this.#volume.dataBytes / 512),
      mtimeMs: this.#context.summary.timeMs,
    });
  }

  async open(): Promise<OpenFile> {
    const view = await this.#context.view();
    return await view.openVolume(this.#volume.name);
  }
}
