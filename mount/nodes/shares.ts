import type { Share } from '../../src/common/share-names.js';
import type { DirectoryEntry, DirectoryNode, LinkNode, NodeStat, TreeNode } from '../node.js';
import type { ShadowCopySummary } from '../source.js';
import { TreeError } from '../tree-error.js';
import { directoryStat, type TreeContext } from './context.js';
import { SHARE_INDEX, shareOwner, SHARES_OWNER } from './inode-index.js';
import { readableDirectory, withStat } from './readable.js';
import { snapshotName } from './snapshot-names.js';
import { VersionNode } from './version.js';

/** The name of the directory of all shares, at the top of the tree. */
export const SHARES = '.shares';
const LIVE = 'live';
const SNAPSHOTS = '.snapshots';

/** Samba answers with an empty list when more names than that would not fit into 64 KiB. */
const MAX_SNAPSHOTS = 1300;

/** The shares that a tree shows. */
export function sharesOf({ listing }: TreeContext): Promise<readonly Share[]> {
  return listing.shares();
}

/** `.shares/`: a directory for each share. */
export class SharesNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: TreeContext;

  constructor(context: TreeContext) {
    this.#context = context;
  }

  async stat(): Promise<NodeStat> {
    const { inodes, madeAtMs } = this.#context;
    const shares = await sharesOf(this.#context);
    return directoryStat(this.#context, inodes.number(SHARES_OWNER, 0), shares.length, madeAtMs);
  }

  async lookup(name: string): Promise<TreeNode | undefined> {
    const share = (await sharesOf(this.#context)).find((candidate) => candidate.name === name);
    return share === undefined ? undefined : new ShareNode(this.#context, share);
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    const { inodes } = this.#context;
    yield (await sharesOf(this.#context)).map(({ name }) => ({
      name,
      kind: 'directory',
      ino: inodes.number(shareOwner(name), SHARE_INDEX.directory),
    }));
  }
}

/** A share: its newest files, and those of each shadow copy as Samba's shadow_copy2 looks for them. */
class ShareNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: TreeContext;
  readonly #share: Share;

  constructor(context: TreeContext, share: Share) {
    this.#context = context;
    this.#share = share;
  }

  stat(): Promise<NodeStat> {
    return Promise.resolve(directoryStat(this.#context, this.#ino('directory'), 1, this.#context.madeAtMs));
  }

  async lookup(name: string): Promise<TreeNode | undefined> {
    if (name === LIVE) return new LiveNode(this.#context, this.#share);
    const snapshots = new SnapshotsNode(this.#context, this.#share);
    return name === SNAPSHOTS ? snapshots : await snapshots.version(name);
  }

  list(): readonly (readonly DirectoryEntry[])[] {
    return [
      [
        { name: LIVE, kind: 'link', ino: this.#ino('live') },
        { name: SNAPSHOTS, kind: 'directory', ino: this.#ino('snapshots') },
      ],
    ];
  }

  #ino(node: 'directory' | 'live' | 'snapshots'): number {
    return this.#context.inodes.number(shareOwner(this.#share.name), SHARE_INDEX[node]);
  }
}

/**
 * `live`: the link to the newest shadow copy's directory, which stands beside it: Samba takes what is in `.snapshots` for
 * previous versions only. Looked up each time it is read.
 */
class LiveNode implements LinkNode {
  readonly kind = 'link';
  readonly #context: TreeContext;
  readonly #share: Share;

  constructor(context: TreeContext, share: Share) {
    this.#context = context;
    this.#share = share;
  }

  async stat(): Promise<NodeStat> {
    const { target, timeMs } = await this.#target();
    const { inodes, uid, gid } = this.#context;
    return {
      kind: 'link',
      ino: inodes.number(shareOwner(this.#share.name), SHARE_INDEX.live),
      permissions: 0o777,
      nlink: 1,
      uid,
      gid,
      sizeBytes: Buffer.byteLength(target),
      blocks: 0,
      mtimeMs: timeMs,
    };
  }

  async readlink(): Promise<string> {
    return (await this.#target()).target;
  }

  async #target(): Promise<{ readonly target: string; readonly timeMs: number }> {
    const { name, machine } = this.#share;
    const { list } = await this.#context.listing.versions(machine);
    const newest = list.at(-1);
    if (newest === undefined) throw new TreeError('ENOENT', `${SHARES}/${name}/${LIVE}`);
    return { target: newest.name, timeMs: newest.timeMs };
  }
}

/**
 * `.snapshots/`: the directory in each shadow copy, by the time it was made. A look at one opens it; listing them opens
 * none, so that one which the directory is missing from is listed and not found.
 */
class SnapshotsNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: TreeContext;
  readonly #share: Share;

  constructor(context: TreeContext, share: Share) {
    this.#context = context;
    this.#share = share;
  }

  async stat(): Promise<NodeStat> {
    const { list } = await this.#context.listing.versions(this.#share.machine);
    const ino = this.#context.inodes.number(shareOwner(this.#share.name), SHARE_INDEX.snapshots);
    const stat = directoryStat(this.#context, ino, 0, list.at(-1)?.timeMs ?? this.#context.madeAtMs);
    // One link means that the subdirectories are not counted: for that they would have to be opened.
    return { ...stat, nlink: 1 };
  }

  async lookup(name: string): Promise<TreeNode | undefined> {
    const { machine } = this.#share;
    const { list } = await this.#context.listing.versions(machine);
    const summary = this.#context.snapshots.find(machine, list, name);
    return summary === undefined ? undefined : await this.#node(summary);
  }

  /** The directory in a shadow copy by that one's name, as `live` leads to it. */
  async version(name: string): Promise<TreeNode | undefined> {
    const { byName } = await this.#context.listing.versions(this.#share.machine);
    const summary = byName.get(name);
    return summary === undefined ? undefined : await this.#node(summary);
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    const { machine } = this.#share;
    const { list } = await this.#context.listing.versions(machine);
    const named = this.#context.snapshots.all(machine, list).slice(-MAX_SNAPSHOTS);
    yield named.map((summary) => ({
      name: snapshotName(summary.name) ?? '',
      kind: 'directory',
      ino: this.#ino(summary),
    }));
  }

  /** Under a number of its own, which a list can tell without opening a file system. */
  async #node(summary: ShadowCopySummary): Promise<TreeNode | undefined> {
    const node = await this.#directoryIn(summary);
    return node === undefined ? undefined : withStat(node, { ino: this.#ino(summary) });
  }

  async #directoryIn(summary: ShadowCopySummary): Promise<DirectoryNode | undefined> {
    const { machine, path } = this.#share;
    const [device = '', ...names] = path.split('/');
    const files = new VersionNode(this.#context, machine, summary).lookup('files');
    const top = files?.kind === 'directory' ? await files.lookup(device) : undefined;
    const node = names.length === 0 || top?.kind !== 'directory' ? top : await top.resolve?.(names.join('/'));
    if (node?.kind !== 'directory') return undefined;
    const guest = await (await this.#context.files.open(machine, summary)).guest(device);
    return guest?.filesystem?.type === 'ntfs' ? readableDirectory(node) : node;
  }

  /** The time tells apart a shadow copy from another one of the share, unless there are several of one second. */
  #ino({ name, timeMs }: ShadowCopySummary): number {
    const { inodes } = this.#context;
    const owner = shareOwner(this.#share.name);
    const isFirst = name.endsWith('Z');
    return isFirst
      ? inodes.number(owner, SHARE_INDEX.first + Math.floor(timeMs / 1000))
      : inodes.number(`${owner}/${name}`, 0);
  }
}
