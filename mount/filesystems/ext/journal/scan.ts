import { Budget } from '../../../blocks/budget.js';
import { damaged } from '../errors.js';
import { crc32Be } from './crc32-be.js';
import { commitTimeOf, headerOf, isCommitRight, isTailRight, type JournalSuperblock, KIND, tagsOf } from './format.js';
import type { JournalLog } from './log.js';
import { TagList } from './tag-list.js';

const CRC_START = 0xffffffff;
/** More than there are tags at most; a hostile journal can be made longer without taking more space. */
const MAX_BLOCKS = 5_000_000;
/** More are not replayed: each names hundreds of blocks. */
const MAX_REVOKE_BLOCKS = 262_144;

/** What the log holds. */
export interface ScannedLog {
  /** The blocks of all whole transactions. */
  readonly tags: TagList;
  /** The revoke blocks of those, with their sequences. */
  readonly revokes: readonly { readonly block: number; readonly sequence: number }[];
  /** The sequence of the transaction that would come next: fast commits carry it. */
  readonly end: number;
  /** Why the log ends before it should; undefined if it ends as a log does. */
  readonly problem: string | undefined;
}

/**
 * Go through the log from its start to the first transaction that is not whole, as jbd2's first pass does.
 * @param blocksCount of the file system; blocks that do not lie in it are left out
 */
export async function scanLog(log: JournalLog, journal: JournalSuperblock, blocksCount: number): Promise<ScannedLog> {
  return await new Scan(log, journal, blocksCount).run();
}

class Scan {
  readonly #log: JournalLog;
  readonly #journal: JournalSuperblock;
  readonly #blocksCount: number;
  readonly #tags = new TagList();
  readonly #revokes: { block: number; sequence: number }[] = [];
  #sequence: number;
  #next: number;
  /** How many tags and revoke blocks there were at the end of the last whole transaction. */
  #whole = { tags: 0, revokes: 0 };
  #sum = CRC_START;
  /** A checksum inside of the open transaction is wrong. */
  #isSuspect = false;
  #lastCommitTime = 0n;
  #problem: string | undefined;

  constructor(log: JournalLog, journal: JournalSuperblock, blocksCount: number) {
    this.#blocksCount = blocksCount;
    this.#log = log;
    this.#journal = journal;
    this.#sequence = journal.sequence;
    this.#next = journal.start;
  }

  async run(): Promise<ScannedLog> {
    const budget = new Budget(Math.min(2 * this.#journal.maxBlocks, MAX_BLOCKS), 'blocks of the journal');
    for (;;) {
      budget.spend();
      const number = this.#step(1);
      const block = await this.#log.read(number);
      const header = headerOf(block);
      if (header?.sequence !== this.#sequence) break;
      if (!(await this.#take(header.kind, number, block, budget))) break;
    }
    this.#tags.length = this.#whole.tags;
    const revokes = this.#revokes.slice(0, this.#whole.revokes);
    return { tags: this.#tags, revokes, end: this.#sequence, problem: this.#problem };
  }

  /** @returns false at the end of the log */
  async #take(kind: number, number: number, block: Buffer, budget: Budget): Promise<boolean> {
    if (kind === KIND.COMMIT) return this.#takeCommit(block);
    if (kind !== KIND.DESCRIPTOR && kind !== KIND.REVOKE) return false;
    if (!isTailRight(block, this.#journal)) this.#isSuspect = true;
    if (kind === KIND.REVOKE) this.#takeRevoke(number);
    else await this.#takeDescriptor(block, budget);
    return true;
  }

  #takeRevoke(number: number): void {
    if (this.#revokes.length >= MAX_REVOKE_BLOCKS) throw damaged('the journal revokes more than is replayed');
    this.#revokes.push({ block: number, sequence: this.#sequence });
  }

  async #takeDescriptor(block: Buffer, budget: Budget): Promise<void> {
    const sums = this.#journal.sumsTransactions && !this.#isSuspect;
    if (sums) this.#sum = crc32Be(this.#sum, block);
    for (const { block: target, isEscaped, checksum } of tagsOf(block, this.#journal)) {
      budget.spend();
      const number = this.#step(1);
      if (target < this.#blocksCount) {
        this.#tags.add(target, this.#log.physical(number), this.#sequence, checksum, isEscaped);
      }
      if (sums) this.#sum = crc32Be(this.#sum, await this.#log.read(number));
    }
  }

  #takeCommit(block: Buffer): boolean {
    const time = commitTimeOf(block);
    const isRight = !this.#isSuspect && isCommitRight(block, this.#sum, this.#journal);
    if (!isRight) {
      // What is older than the transaction before it was left by an earlier round of the log.
      const isStale = time < this.#lastCommitTime;
      // Without the order that async commits give up, a commit block says that all of the rest was written.
      const isDamage = !isStale && (this.#isSuspect || !this.#journal.hasAsyncCommits);
      if (isDamage) this.#problem = `transaction ${this.#sequence} of the journal and what follows it is damaged`;
      return false;
    }
    this.#lastCommitTime = time;
    this.#sum = CRC_START;
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#whole = { tags: this.#tags.length, revokes: this.#revokes.length };
    return true;
  }

  /** The number of the next block, and on by some; the log is a ring. */
  #step(blocks: number): number {
    const { first, last } = this.#journal;
    const number = this.#next;
    this.#next += blocks;
    if (this.#next >= last) this.#next -= last - first;
    return number;
  }
}
