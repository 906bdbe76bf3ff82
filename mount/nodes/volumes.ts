import { UNREADABLE } from '../files/device-names.js';
import type { LookedDisk, MergedVolumes } from '../merged/merged-volumes.js';
import {
  isEntryName,
  type DirectoryEntry,
  type DirectoryNode,
  type FileNode,
  type NodeStat,
  type OpenFile,
  type TreeNode,
} from '../node.js';
import { BytesFile } from './bytes-file.js';
import { directoryStat, type VersionContext } from './context.js';
import { mergedIndex, VERSION_INDEX, volumeIndex } from './inode-index.js';

const SUFFIX = '.raw';

/**
 * `volumes/`: each volume of a shadow copy as a raw disk image, and beside files that are stored as they were the disks that
 * they make up, or a text that says why one can't be made.
 */
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
    const suffix = [SUFFIX, UNREADABLE].find((each) => name.endsWith(each));
    if (suffix === undefined || !isEntryName(name)) return undefined;
    const title = name.slice(0, -suffix.length);
    const view = await this.#context.view();
    const position = suffix === SUFFIX ? view.volumes.findIndex((volume) => volume.name === title) : -1;
    const volume = view.volumes[position];
    if (volume === undefined) return await this.#mergedNode(await this.#context.mergedVolumes(), title, suffix);
    return new RawNode(this.#context, {
      ino: this.#context.ino(volumeIndex(position)),
      sizeBytes: volume.sizeBytes,
      dataBytes: volume.dataBytes,
      open: () => view.openVolume(volume.name),
    });
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    const { volumes } = await this.#context.view();
    yield volumes.map(({ name }, position) => this.#entry(name + SUFFIX, volumeIndex(position))).filter(hasEntryName);
    const merged = await this.#context.mergedVolumes();
    const looked = await Promise.all(merged.disks.map((disk) => merged.look(disk)));
    yield merged.disks
      .map(({ name }, position) => this.#entry(name + suffixOf(looked[position]), mergedIndex(position)))
      .filter(hasEntryName);
  }

  #entry(name: string, index: number): DirectoryEntry {
    return { name, kind: 'file', ino: this.#context.ino(index) };
  }

  async #mergedNode(merged: MergedVolumes, title: string, suffix: string): Promise<TreeNode | undefined> {
    const position = merged.disks.findIndex(({ name }) => name === title);
    const disk = merged.disks[position];
    const looked = disk && (await merged.look(disk));
    if (disk === undefined || looked === undefined || suffixOf(looked) !== suffix) return undefined;
    const ino = this.#context.ino(mergedIndex(position));
    if ('unreadable' in looked) return this.#text(looked.unreadable, ino);
    const { sizeBytes } = looked;
    const dataBytes = Math.min(sizeBytes, merged.dataBytes(disk));
    return new RawNode(this.#context, { ino, sizeBytes, dataBytes, open: () => merged.open(disk) });
  }

  #text(text: string, ino: number): TreeNode {
    return new BytesFile({
      context: this.#context,
      ino,
      permissions: 0o444,
      mtimeMs: this.#context.summary.timeMs,
      load: () => Promise.resolve(Buffer.from(text)),
    });
  }
}

function suffixOf(looked: LookedDisk | undefined): string {
  return looked === undefined || 'unreadable' in looked ? UNREADABLE : SUFFIX;
}

function hasEntryName({ name }: DirectoryEntry): boolean {
  return isEntryName(name);
}

interface RawContent {
  readonly ino: number;
  readonly sizeBytes: number;
  /** Bytes that are not in holes. */
  readonly dataBytes: number;
  readonly open: () => Promise<OpenFile>;
}

/** A raw disk image. It holds every file of the guest, so only the owner reads it. */
class RawNode implements FileNode {
  readonly kind = 'file';
  readonly #context: VersionContext;
  readonly #content: RawContent;

  constructor(context: VersionContext, content: RawContent) {
    this.#context = context;
    this.#content = content;
  }

  stat(): Promise<NodeStat> {
    const { ino, sizeBytes, dataBytes } = this.#content;
    return Promise.resolve({
      kind: 'file',
      ino,
      permissions: 0o400,
      nlink: 1,
      uid: this.#context.uid,
      gid: this.#context.gid,
      sizeBytes,
      blocks: Math.ceil(dataBytes / 512),
      mtimeMs: this.#context.summary.timeMs,
    });
  }

  open(): Promise<OpenFile> {
    return this.#content.open();
  }
}
