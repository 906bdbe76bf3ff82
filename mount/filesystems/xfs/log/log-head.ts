import { damaged } from '../damaged.js';
import { LOG_BLOCK_BYTES, type LogArea } from './log-area.js';
import { cycleAt } from './log-record.js';

/** Blocks that one look reads: 64 KiB. */
const LOOK_BLOCKS = 128;
/** Blocks from the last write of the superblock in which the head of a log at rest is: 256 KiB. */
const HINT_BLOCKS = 512;

/** The end of the log: the first block that was not written in its latest cycle. */
export interface Head {
  readonly block: number;
  /** The cycle of the block before it. */
  readonly cycle: number;
  /** How many blocks before it were ever written. */
  readonly written: number;
}

/**
 * Find the head. Each pass over the ring stamps all its blocks with a higher cycle number, so the head is where the
 * number falls.
 * @param lsn where the superblock was logged last: after a clean unmount the head is close behind; 0 if not known
 * @returns undefined for a log that was never written
 * @throws {UmbraError} FILESYSTEM_DAMAGED, STORE_DAMAGED
 */
export async function findHead(area: LogArea, lsn: bigint): Promise<Head | undefined> {
  return (await headByHint(area, lsn)) ?? (await headByCycles(area));
}

async function headByHint(area: LogArea, lsn: bigint): Promise<Head | undefined> {
  const start = Number(lsn & 0xffffffffn);
  let cycle = Number(lsn >> 32n);
  if (cycle === 0 || start >= area.blocks) return undefined;
  const count = Math.min(HINT_BLOCKS, area.blocks);
  const bytes = await area.read(start, count);
  if (cycleAt(bytes, 0) !== cycle) return undefined;
  for (let index = 1; index < count; index++) {
    const found = cycleAt(bytes, index * LOG_BLOCK_BYTES);
    const block = area.wrap(start + index);
    if (block === 0 && found === cycle + 1) cycle = found;
    if (found !== cycle) return { block, cycle, written: found === 0 && block !== 0 ? block : area.blocks };
  }
  return undefined;
}

async function headByCycles(area: LogArea): Promise<Head | undefined> {
  const first = await cycleOf(area, 0);
  const last = await cycleOf(area, area.blocks - 1);
  if (first === 0) return undefined;
  if (first === last) return { block: 0, cycle: first, written: area.blocks };
  if (last !== 0 && last !== first - 1) throw damaged('the log has impossible cycle numbers');
  let low = 0;
  let high = Math.ceil(area.blocks / LOOK_BLOCKS);
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((await cycleOf(area, middle * LOOK_BLOCKS)) === first) low = middle;
    else high = middle;
  }
  const block = low * LOOK_BLOCKS + (await countOfCycle(area, low * LOOK_BLOCKS, first));
  return { block: area.wrap(block), cycle: first, written: last === 0 ? block : area.blocks };
}

async function cycleOf(area: LogArea, block: number): Promise<number> {
  return cycleAt(await area.read(block, 1), 0);
}

/** How many blocks from `start` are of that cycle. */
async function countOfCycle(area: LogArea, start: number, cycle: number): Promise<number> {
  const count = Math.min(LOOK_BLOCKS, area.blocks - start);
  const bytes = await area.read(start, count);
  let index = 0;
  while (index < count && cycleAt(bytes, index * LOG_BLOCK_BYTES) === cycle) index++;
  return index;
}
