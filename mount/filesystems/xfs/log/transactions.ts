import { damaged } from '../damaged.js';
import type { LogRecord } from './log-stream.js';

const OPERATION_BYTES = 12;
/** Flags of an operation. */
const FLAGS = { start: 0x01, commit: 0x02, goesOn: 0x04, continues: 0x08, end: 0x10, unmount: 0x20 } as const;
/** `TRAN`, little-endian like all inside of operations. */
const TRANSACTION_MAGIC = 0x5452414e;
const TRANSACTION_HEADER_BYTES = 16;

/** Transactions are kept whole until they are committed. The kernel makes none of more than 32 MiB. */
const MOST_BYTES = 48 * 1024 * 1024;
const MOST_REGIONS = 1_000_000;
const MOST_OPEN = 64;
/** XLOG_MAX_REGIONS_IN_ITEM: more than any item has. */
const MOST_REGIONS_IN_ITEM = 2048;

/** A change: a description and the data that belongs to it. */
export interface LogItem {
  readonly regions: Buffer[];
  /** How many regions it has in all. */
  readonly count: number;
}

/** The changes of a committed transaction. */
export interface Transaction {
  readonly items: readonly LogItem[];
  /** Where it began. */
  readonly lsn: bigint;
}

interface OpenTransaction {
  readonly lsn: bigint;
  readonly items: { regions: Buffer[]; count: number; seen: number }[];
  header: Buffer;
  bytes: number;
}

/** Puts transactions together from the operations of records ("XFS Algorithms & Data Structures", log operations). */
export class Transactions {
  readonly #open = new Map<number, OpenTransaction>();
  readonly #keepsData: boolean;
  #bytes = 0;
  #regions = 0;

  /** @param keepsData false to keep of each item its description only */
  constructor(keepsData: boolean) {
    this.#keepsData = keepsData;
  }

  /**
   * The transactions that a record commits, in order. Those that no record commits are dropped.
   * @throws {UmbraError} FILESYSTEM_DAMAGED
   */
  *committed({ header, data }: LogRecord): Generator<Transaction> {
    let at = 0;
    for (let left = header.operations; left > 0; left--) {
      if (at + OPERATION_BYTES > data.length) throw damaged('an operation of the log is cut off');
      const tid = data.readUInt32BE(at);
      const length = data.readUInt32BE(at + 4);
      const flags = data.readUInt8(at + 9) & ~FLAGS.end;
      const region = data.subarray(at + OPERATION_BYTES, at + OPERATION_BYTES + length);
      if (region.length < length) throw damaged('an operation of the log is cut off');
      const transaction = this.#take(tid, flags, region, header.lsn);
      if (transaction !== undefined) yield transaction;
      at += OPERATION_BYTES + length;
    }
  }

  #take(tid: number, flags: number, region: Buffer, lsn: bigint): Transaction | undefined {
    if ((flags & FLAGS.start) !== 0) {
      this.#drop(tid);
      if (this.#open.size >= MOST_OPEN) throw damaged('the log has too many transactions at a time');
      this.#open.set(tid, { lsn, items: [], header: Buffer.alloc(0), bytes: 0 });
      return undefined;
    }
    const open = this.#open.get(tid);
    // The tail may cut a transaction whose changes all are on the volume.
    if (open === undefined) return undefined;
    if ((flags & FLAGS.commit) !== 0 || (flags & FLAGS.unmount) !== 0) {
      this.#drop(tid);
      return (flags & FLAGS.commit) === 0 ? undefined : { items: open.items.filter(isWhole), lsn: open.lsn };
    }
    if (region.length === 0) return undefined;
    if ((flags & FLAGS.continues) !== 0) this.#goOn(open, region);
    else this.#add(open, region);
    return undefined;
  }

  #drop(tid: number): void {
    const open = this.#open.get(tid);
    if (open === undefined) return;
    this.#open.delete(tid);
    this.#bytes -= open.bytes;
    this.#regions -= open.items.reduce((sum, item) => sum + item.regions.length, 0);
  }

  #add(open: OpenTransaction, region: Buffer): void {
    if (open.header.length < TRANSACTION_HEADER_BYTES) {
      this.#addHeader(open, region);
      return;
    }
    const last = open.items.at(-1);
    if (last !== undefined && last.seen < last.count) {
      last.seen++;
      if (this.#keepsData) last.regions.push(this.#copy(open, region));
      return;
    }
    const count = region.length < 4 ? 0 : region.readUInt16LE(2);
    if (count === 0 || count > MOST_REGIONS_IN_ITEM) throw damaged('an item of the log has an impossible size');
    open.items.push({ regions: [this.#copy(open, region)], count, seen: 1 });
  }

  /** A region that did not fit into the record before. */
  #goOn(open: OpenTransaction, region: Buffer): void {
    const item = open.items.at(-1);
    if (item === undefined) {
      this.#addHeader(open, region);
      return;
    }
    if (!this.#keepsData && item.seen > 1) return;
    const before = item.regions.pop();
    if (before === undefined) throw damaged('the log goes on with nothing');
    this.#regions--;
    item.regions.push(Buffer.concat([before, this.#copy(open, region)]));
  }

  #addHeader(open: OpenTransaction, region: Buffer): void {
    open.header = Buffer.concat([open.header, region]);
    const { header } = open;
    if (
      header.length > TRANSACTION_HEADER_BYTES ||
      (header.length >= 4 && header.readUInt32LE(0) !== TRANSACTION_MAGIC)
    ) {
      throw damaged('a transaction of the log has no header');
    }
  }

  #copy(open: OpenTransaction, region: Buffer): Buffer {
    open.bytes += region.length;
    this.#bytes += region.length;
    this.#regions++;
    if (this.#bytes > MOST_BYTES || this.#regions > MOST_REGIONS) {
      throw damaged('the log has larger transactions than any kernel makes');
    }
    return Buffer.from(region);
  }
}

function isWhole({ count, seen }: { readonly count: number; readonly seen: number }): boolean {
  if (seen < count) throw damaged('an item of the log is not whole');
  return true;
}
