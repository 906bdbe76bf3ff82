import type { Random } from './random.js';

/**
 * Files and directories in memory that know what a power cut would leave of them.
 *
 * - A file's content is durable up to its last sync. Of the writes after it a prefix survives, the
 *   last of them maybe in part: ext4 (data=ordered), XFS and btrfs let a file grow only over data
 *   that is on disk.
 * - Directory entries live in a journal for each directory. Syncing a directory makes all earlier
 *   changes of it durable; syncing a file or directory also makes its own name durable, and those of
 *   the directories above it, but no other name beside it: so does btrfs, where ext4 and XFS make all
 *   that came before durable. Of the other changes a prefix survives, so a renamed file has one of
 *   its names. Real journals keep the order between directories as well; here each loses its own
 *   amount, which is harsher.
 * - A rename from one directory to another is durable at once, for simplicity.
 */
export type Node = DurableFile | DurableDirectory | OtherNode;

/** A socket, FIFO or link: passes away with the power. */
export class OtherNode {
  parent: DurableDirectory | undefined;

  constructor(
    public mode: number,
    readonly target = '',
  ) {}
}

type FileChange = { readonly at: number; readonly data: Buffer } | { readonly size: number };

/** Bytes that grow without being copied each time. */
class GrowingBytes {
  #bytes = Buffer.alloc(0);
  #length = 0;

  get content(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  apply(change: FileChange): void {
    const end = 'size' in change ? change.size : Math.max(this.#length, change.at + change.data.length);
    if (end > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(end, 2 * this.#bytes.length));
      this.content.copy(larger);
      this.#bytes = larger;
    }
    if (end < this.#length) this.#bytes.fill(0, end, this.#length);
    this.#length = end;
    if ('data' in change) change.data.copy(this.#bytes, change.at);
  }
}

export class DurableFile {
  parent: DurableDirectory | undefined;
  readonly #live = new GrowingBytes();
  readonly #durable = new GrowingBytes();
  #unsynced: FileChange[] = [];

  constructor(public mode: number) {}

  get size(): number {
    return this.#live.content.length;
  }

  /** Returns the number of bytes read. */
  read(target: Buffer, length: number, position: number): number {
    return this.#live.content.subarray(position, position + length).copy(target);
  }

  write(data: Buffer, position: number): void {
    this.#change({ at: position, data: Buffer.from(data) });
  }

  truncate(size: number): void {
    this.#change({ size });
  }

  sync(): void {
    for (const change of this.#unsynced) this.#durable.apply(change);
    this.#unsynced = [];
    this.parent?.syncName(this);
  }

  /** What a power cut leaves. */
  surviving(random: Random): Buffer {
    const kept = survivors(this.#unsynced, random);
    for (const change of kept) this.#durable.apply(change);
    const torn = this.#unsynced[kept.length];
    if (torn && 'data' in torn && random.chance(0.5)) {
      const data = torn.data.subarray(0, random.below(torn.data.length));
      this.#durable.apply({ at: torn.at, data });
    }
    return this.#durable.content;
  }

  #change(change: FileChange): void {
    this.#live.apply(change);
    this.#unsynced.push(change);
  }
}

type DirectoryChange = ReadonlyMap<string, Node | undefined>;

export class DurableDirectory {
  parent: DurableDirectory | undefined;
  readonly entries = new Map<string, Node>();
  readonly #durable = new Map<string, Node>();
  #unsynced: DirectoryChange[] = [];

  constructor(public mode: number) {}

  /** Give `name` to `node`, or to nothing. */
  set(name: string, node: Node | undefined): void {
    this.#change(new Map([[name, node]]));
  }

  /** Move what is `from` here to the name `to` in `target`. */
  move(from: string, target: DurableDirectory, to: string): void {
    const node = this.entries.get(from);
    if (target === this) {
      const names: [string, Node | undefined][] = [[from, undefined]];
      this.#change(new Map([...names, [to, node]]));
      return;
    }
    target.set(to, node);
    this.set(from, undefined);
    target.sync();
    this.sync();
  }

  sync(): void {
    for (const change of this.#unsynced) apply(this.#durable, change);
    this.#unsynced = [];
    this.parent?.syncName(this);
  }

  /** Make what is so of the name of `node` durable: the changes that gave or took it, and earlier ones of the same names. */
  syncName(node: Node): void {
    const names = new Set<string>();
    const synced = new Set<DirectoryChange>();
    for (const change of this.#unsynced.toReversed()) {
      const isMeant = [...change].some(([name, other]) => other === node || names.has(name));
      if (!isMeant) continue;
      synced.add(change);
      for (const name of change.keys()) names.add(name);
    }
    for (const change of this.#unsynced) if (synced.has(change)) apply(this.#durable, change);
    this.#unsynced = this.#unsynced.filter((change) => !synced.has(change));
    this.parent?.syncName(this);
  }

  /** What a power cut leaves. */
  surviving(random: Random): ReadonlyMap<string, Node> {
    for (const change of survivors(this.#unsynced, random)) apply(this.#durable, change);
    return this.#durable;
  }

  #change(change: DirectoryChange): void {
    apply(this.entries, change);
    for (const node of change.values()) if (node) node.parent = this;
    this.#unsynced.push(change);
  }
}

function apply(entries: Map<string, Node>, change: DirectoryChange): void {
  for (const [name, node] of change) {
    if (node) entries.set(name, node);
    else entries.delete(name);
  }
}

/** A prefix: nothing, everything and any number between are each likely. */
function survivors<T>(changes: readonly T[], random: Random): readonly T[] {
  if (random.chance(0.3)) return [];
  return random.chance(0.3) ? changes : changes.slice(0, random.between(0, changes.length));
}
