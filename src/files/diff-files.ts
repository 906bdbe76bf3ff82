import type { FileId, Filesystem } from '../../mount/filesystems/filesystem.js';
import { messageOf } from '../common/errors.js';
import type { Progress } from '../protocol/api.js';
import type { DiffFilesRequest, DiffFilesResult, FileDifference } from '../protocol/files-api.js';
import { isDamage, isRealDamage, UnreadPaths } from './damage.js';
import { Differences } from './differences.js';
import { readable } from './file-location.js';
import { OpenedVersion, titleOf, type FilesContext } from './opened-version.js';
import { sameDevice } from './same-device.js';
import { TreeDiff } from './tree-diff.js';
import { VolumeChanges } from './volume-changes.js';

export interface DiffFilesOptions {
  readonly context: FilesContext;
  readonly request: DiffFilesRequest;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  /** Takes what differs, some at a time. */
  readonly emit: (items: readonly FileDifference[]) => Promise<void>;
}

/**
 * Compare the files of two shadow copies, file system by file system, matched by name. Contents are told apart from
 * where they are stored; only what that leaves open is read. What was removed in one place and added in another, the
 * same file by its number, metadata and content, is renamed.
 *
 * @throws {UmbraError} NOT_FOUND, STORE_DAMAGED, STORE_FAILED, CANCELLED
 */
export async function diffFiles(options: DiffFilesOptions): Promise<DiffFilesResult> {
  const { context, request } = options;
  const { catalog } = context.store;
  const listings = [catalog.find(request.machine, request.from), catalog.find(request.toMachine, request.to)] as const;
  const what = `a comparison of the files of ${titleOf(listings[0])} and ${titleOf(listings[1])}`;
  const from = await OpenedVersion.open(context, listings[0], what);
  try {
    const to = await OpenedVersion.open(context, listings[1], what);
    try {
      return await new FilesDiff(options, from, to).run();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

class FilesDiff {
  readonly #options: DiffFilesOptions;
  readonly #from: OpenedVersion;
  readonly #to: OpenedVersion;
  readonly #unread = new UnreadPaths();
  readonly #differences: Differences;
  #comparedBytes = 0;

  constructor(options: DiffFilesOptions, from: OpenedVersion, to: OpenedVersion) {
    this.#options = options;
    this.#from = from;
    this.#to = to;
    this.#differences = new Differences(options.emit);
  }

  async run(): Promise<DiffFilesResult> {
    const { context, request, signal } = this.#options;
    const start = context.clock.monotonic();
    const [from, to] = [this.#from, this.#to];
    // Of two machines, volumes of the same name have nothing to do with one another.
    const isOneMachine = request.machine === request.toMachine;
    const { reader } = context.store;
    const changes = isOneMachine
      ? await VolumeChanges.between(reader, from.record.volumes, to.record.volumes, signal)
      : undefined;
    if (changes?.isEmpty !== true) await this.#compareDevices(changes);
    await this.#differences.end();
    return {
      from: from.title,
      to: to.title,
      ...this.#differences.counts,
      comparedBytes: this.#comparedBytes,
      unread: this.#unread.list,
      unreadCount: this.#unread.count,
      damagedCount: this.#unread.damagedCount,
      seconds: (context.clock.monotonic() - start) / 1000,
    };
  }

  async #compareDevices(changes: VolumeChanges | undefined): Promise<void> {
    const names = [...new Set([...this.#from.files.names, ...this.#to.files.names])];
    for (const name of names) {
      if (changes !== undefined && (await this.#isUnchanged(name, changes))) continue;
      const a = await this.#filesystem(this.#from, name);
      const b = await this.#filesystem(this.#to, name);
      if (a === 'unreadable' || b === 'unreadable') continue;
      const diff = this.#treeDiff(name, changes);
      if (a !== undefined && b !== undefined) await diff.directories(topOf(a, name), topOf(b, name));
      else if (a !== undefined) await diff.onlyOne('removed', topOf(a, name));
      else if (b !== undefined) await diff.onlyOne('added', topOf(b, name));
      await diff.settleRenames();
    }
  }

  /** Then there is nothing to compare, however many files it has. */
  async #isUnchanged(name: string, changes: VolumeChanges): Promise<boolean> {
    const { signal } = this.#options;
    return await sameDevice(name, { from: this.#from.files, to: this.#to.files, changes, signal });
  }

  #treeDiff(device: string, changes: VolumeChanges | undefined): TreeDiff {
    const { context, signal, progress } = this.#options;
    return new TreeDiff({
      from: this.#from,
      to: this.#to,
      changes,
      verdicts: context.verdicts,
      signal,
      differences: this.#differences,
      unread: this.#unread,
      onRead: (bytes) => {
        this.#comparedBytes += bytes;
      },
      onFile: (count) => {
        progress({ what: `comparing ${device}: ${count} files`, doneBytes: 0 });
      },
    });
  }

  async #filesystem(version: OpenedVersion, name: string): Promise<Filesystem | undefined | 'unreadable'> {
    const { listing, files } = version;
    try {
      if (!files.names.includes(name)) return undefined;
      const guest = await files.guest(name);
      if (guest === undefined || guest.unreadable?.cause === 'no-files') return undefined;
      return readable(guest);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#unread.addDevice(listing.name, name, { reason: messageOf(error), isDamaged: isRealDamage(error) });
    }
    return 'unreadable';
  }
}

function topOf(filesystem: Filesystem, name: string): { filesystem: Filesystem; id: FileId; path: string } {
  return { filesystem, id: filesystem.root, path: `/${name}` };
}
