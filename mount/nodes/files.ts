import { after, type Eventually } from '../../src/common/eventually.js';
import { deviceLinks, isLinksName, type LinksName } from '../files/device-links.js';
import { BY_LABEL, BY_UUID, UNREADABLE } from '../files/device-names.js';
import type { Guest, ShadowFiles } from '../files/shadow-files.js';
import type { DirectoryEntry, DirectoryNode, LinkNode, NodeStat, TreeNode } from '../node.js';
import { BytesFile } from './bytes-file.js';
import { directoryStat, type VersionContext } from './context.js';
import { GuestTree } from './guest.js';
import { guestOwner, labelIndex, unreadableIndex, uuidIndex, VERSION_INDEX } from './inode-index.js';

/**
 * `files/`: a folder for each file system in a shadow copy's volumes, a text for each that can't be read, and links to the folders by label and
 * UUID. Looking at the directory itself opens nothing.
 */
export class FilesNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: VersionContext;

  constructor(context: VersionContext) {
    this.#context = context;
  }

  stat(): Promise<NodeStat> {
    const { summary } = this.#context;
    const stat = directoryStat(this.#context, this.#context.ino(VERSION_INDEX.files), 0, summary.timeMs);
    // One link means that the subdirectories are not counted: for that they would have to be opened.
    return Promise.resolve({ ...stat, nlink: 1 });
  }

  lookup(name: string): Eventually<TreeNode | undefined> {
    if (isLinksName(name)) return new GuestLinksNode(this.#context, name);
    const device = name.endsWith(UNREADABLE) ? name.slice(0, -UNREADABLE.length) : name;
    return after(this.#context.openFiles(), (files) =>
      after(files.guest(device), (guest) => {
        if (guest === undefined || (guest.name === name) !== (guest.filesystem !== undefined)) return undefined;
        const tree = treeOf(this.#context, files, guest);
        if (tree === undefined) return this.#text(files, guest);
        noteWay(this.#context, name);
        return tree.node('');
      }),
    );
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    const files = await this.#context.openFiles();
    yield (await files.guests()).map((guest) => this.#entry(files, guest));
    yield [BY_LABEL, BY_UUID].map((name) => ({ name, kind: 'directory', ino: linksIno(this.#context, name) }));
  }

  #entry(files: ShadowFiles, guest: Guest): DirectoryEntry {
    const tree = treeOf(this.#context, files, guest);
    if (tree !== undefined) return { name: guest.name, kind: 'directory', ino: tree.ino(tree.filesystem.root) };
    return { name: guest.name + UNREADABLE, kind: 'file', ino: this.#textIno(files, guest) };
  }

  #text(files: ShadowFiles, guest: Guest): TreeNode {
    return new BytesFile({
      context: this.#context,
      ino: this.#textIno(files, guest),
      permissions: 0o444,
      mtimeMs: this.#context.summary.timeMs,
      load: () => Promise.resolve(Buffer.from(guest.unreadable?.text ?? '')),
    });
  }

  #textIno(files: ShadowFiles, guest: Guest): number {
    return this.#context.ino(unreadableIndex(files.names.indexOf(guest.name)));
  }
}

/** The files of a guest's file system; the same object as long as it is open. */
function treeOf(context: VersionContext, files: ShadowFiles, guest: Guest): GuestTree | undefined {
  const { filesystem, name } = guest;
  if (filesystem === undefined) return undefined;
  let tree = context.guests.get(filesystem);
  if (tree === undefined) {
    const owner = guestOwner(context.machine, context.summary.name, name);
    tree = new GuestTree({
      filesystem,
      files,
      inodes: context.inodes,
      names: context.names.forFilesystem(),
      owner,
      name,
    });
    context.guests.set(filesystem, tree);
  }
  return tree;
}

/** Let the next request for something in `device` take a short way. */
function noteWay(context: VersionContext, device: string): void {
  const { shortcut, machine, summary } = context;
  shortcut.note(`/${machine}/${summary.name}/files/${device}/`, () => {
    if (!isListed(context)) return undefined;
    const files = context.openFiles();
    if (files instanceof Promise) return undefined;
    const guest = files.guest(device);
    return guest === undefined || guest instanceof Promise ? undefined : treeOf(context, files, guest);
  });
}

/** False also where that can't be said at once. */
function isListed({ listing, machine, summary }: VersionContext): boolean {
  const versions = listing.versions(machine);
  if (!(versions instanceof Promise)) return versions.byName.get(summary.name) === summary;
  versions.catch(() => undefined);
  return false;
}

function linksIno(context: VersionContext, name: string): number {
  return context.ino(name === BY_LABEL ? VERSION_INDEX.byLabel : VERSION_INDEX.byUuid);
}

/** `by-label/` and `by-uuid/`: links to the folders of the file systems that have one. */
class GuestLinksNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: VersionContext;
  readonly #name: LinksName;

  constructor(context: VersionContext, name: LinksName) {
    this.#context = context;
    this.#name = name;
  }

  stat(): Promise<NodeStat> {
    const { summary } = this.#context;
    return Promise.resolve(directoryStat(this.#context, linksIno(this.#context, this.#name), 0, summary.timeMs));
  }

  async lookup(name: string): Promise<TreeNode | undefined> {
    const link = (await this.#links()).get(name);
    return link === undefined ? undefined : new GuestLinkNode(this.#context, link);
  }

  async *list(): AsyncGenerator<readonly DirectoryEntry[]> {
    yield [...(await this.#links())].map(([name, { ino }]) => ({ name, kind: 'link', ino }));
  }

  async #links(): Promise<ReadonlyMap<string, GuestLink>> {
    const files = await this.#context.openFiles();
    const links = new Map<string, GuestLink>();
    for (const [name, device] of deviceLinks(await files.guests(), this.#name)) {
      const position = files.names.indexOf(device);
      const index = this.#name === BY_LABEL ? labelIndex(position) : uuidIndex(position);
      links.set(name, { target: `../${device}`, ino: this.#context.ino(index) });
    }
    return links;
  }
}

interface GuestLink {
  readonly target: string;
  readonly ino: number;
}

class GuestLinkNode implements LinkNode {
  readonly kind = 'link';
  readonly #context: VersionContext;
  readonly #link: GuestLink;

  constructor(context: VersionContext, link: GuestLink) {
    this.#context = context;
    this.#link = link;
  }

  stat(): Promise<NodeStat> {
    const { uid, gid, summary } = this.#context;
    const { target, ino } = this.#link;
    const sizeBytes = Buffer.byteLength(target);
    return Promise.resolve({
      kind: 'link',
      ino,
      permissions: 0o777,
      nlink: 1,
      uid,
      gid,
      sizeBytes,
      blocks: 0,
      mtimeMs: summary.timeMs,
    });
  }

  readlink(): Promise<string> {
    return Promise.resolve(this.#link.target);
  }
}
