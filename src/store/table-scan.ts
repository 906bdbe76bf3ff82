import type { FileHandle } from 'node:fs/promises';

import {
  blockEnd,
  type BlockHandle,
  compareInternalKeys,
  contentsOf,
  FOOTER_BYTES,
  isEmptyBlock,
  isInternalKey,
  isIntact,
  readFooter,
  readHandle,
  TRAILER_BYTES,
  userKey,
  walkBlock,
} from './table-blocks.js';
import { FILTER_KEY, TableFilter } from './table-filter.js';

/**
 * What is damaged:
 * - `values`: a data block that LevelDB walks well; what it holds has checksums of its own
 * - `keys`: a data block that LevelDB must not read: it would end the process, or find keys that nobody wrote
 * - `lost`: a data block in whose place an empty one stands, since its keys were damaged
 * - `filter`: LevelDB would not find keys that are there
 * - `index`: LevelDB must not open the table
 * - `footer`: it is none, and LevelDB says so itself; a table that is being written has none yet
 */
export type FaultKind = 'values' | 'keys' | 'lost' | 'filter' | 'index' | 'footer';

export interface TableFault {
  readonly kind: FaultKind;
  readonly offset: number;
  /** Of the damaged block with its trailer, or of the footer. */
  readonly bytes: number;
}

export interface ScanOptions {
  /** Whether data blocks are read, or only what leads to them. */
  readonly dataBlocks: boolean;
  readonly signal?: AbortSignal;
  readonly progress?: (bytes: number) => void;
}

/** Where data blocks lie, and between which keys (LevelDB's own) their keys are. */
interface DataBlock {
  readonly handle: BlockHandle;
  readonly above: Buffer | undefined;
  readonly upTo: Buffer;
}

const PIECE_BYTES = 1024 * 1024;

/**
 * Check every checksum of a table, and the structure of what is damaged. It holds what leads to the blocks in memory,
 * and data blocks of 1 MiB at a time, or one that is larger.
 * @throws system errors of reading, and what `signal` was aborted with
 */
export async function scanTable(file: FileHandle, options: ScanOptions): Promise<TableFault[]> {
  const { size } = await file.stat();
  const footerAt = Math.max(0, size - FOOTER_BYTES);
  const footer = readFooter(await readAt(file, footerAt, size - footerAt), size);
  if (footer === undefined) return [{ kind: 'footer', offset: footerAt, bytes: size - footerAt }];
  if (footer === 'damaged') return [{ kind: 'index', offset: footerAt, bytes: FOOTER_BYTES }];
  const blocks = indexed(await readBlock(file, footer.index));
  const last = blocks?.at(-1);
  const dataEnd = last === undefined ? 0 : blockEnd(last.handle);
  if (blocks === undefined || dataEnd > footer.metaindex.offset) return [faultAt('index', footer.index)];
  const filter = await readFilter(file, footer.metaindex, dataEnd);
  const faults = 'kind' in filter ? [filter] : [];
  if (!options.dataBlocks) return faults;
  const check = new BlockCheck('kind' in filter ? undefined : filter.filter);
  return [...faults, ...(await scanBlocks(file, blocks, check, options))];
}

/** The bytes of a block with its trailer; zeros where the file has ended. */
export function readBlock(file: FileHandle, { offset, bytes }: BlockHandle): Promise<Buffer> {
  return readAt(file, offset, bytes + TRAILER_BYTES);
}

async function readAt(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  for (let filled = 0; filled < bytes;) {
    const { bytesRead } = await file.read(buffer, filled, bytes - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer;
}

function faultAt(kind: FaultKind, handle: BlockHandle): TableFault {
  return { kind, offset: handle.offset, bytes: handle.bytes + TRAILER_BYTES };
}

/** The data blocks that an index block names: one behind the other from the table's begin. Undefined if it is damaged. */
function indexed(block: Buffer): DataBlock[] | undefined {
  const contents = isIntact(block) ? contentsOf(block) : undefined;
  if (contents === undefined) return undefined;
  const blocks: DataBlock[] = [];
  let end = 0;
  const isRight = walkBlock(contents, ({ key, value }) => {
    const handle = readHandle(value);
    const above = blocks.at(-1)?.upTo;
    if (handle?.offset !== end || !follows(key, above)) return false;
    end = blockEnd(handle);
    blocks.push({ handle, above, upTo: key });
    return true;
  });
  return isRight ? blocks : undefined;
}

function follows(key: Buffer, previous: Buffer | undefined): boolean {
  return isInternalKey(key) && (previous === undefined || compareInternalKeys(previous, key) < 0);
}

/** The filter, if there is one, or what is wrong with it. Tables that LevelDB repaired have none, and those that Umbra took it from. */
async function readFilter(
  file: FileHandle,
  metaindex: BlockHandle,
  dataEnd: number,
): Promise<{ readonly filter: TableFilter | undefined } | TableFault> {
  const block = await readBlock(file, metaindex);
  const contents = isIntact(block) ? contentsOf(block) : undefined;
  if (contents === undefined) return faultAt('filter', metaindex);
  if (contents.every((byte) => byte === 0)) return { filter: undefined };
  let handle: BlockHandle | undefined;
  const isRight = walkBlock(contents, ({ key, value }) => {
    handle = key.toString('latin1') === FILTER_KEY ? readHandle(value) : undefined;
    return handle !== undefined;
  });
  if (isRight && handle === undefined && metaindex.offset === dataEnd) return { filter: undefined };
  if (!isRight || handle?.offset !== dataEnd || blockEnd(handle) !== metaindex.offset)
    return faultAt('filter', metaindex);
  const bytes = await readBlock(file, handle);
  if (!isIntact(bytes)) return faultAt('filter', handle);
  return { filter: new TableFilter(bytes.subarray(0, -TRAILER_BYTES)) };
}

async function scanBlocks(
  file: FileHandle,
  blocks: readonly DataBlock[],
  check: BlockCheck,
  { signal, progress }: ScanOptions,
): Promise<TableFault[]> {
  const faults: TableFault[] = [];
  for (const piece of pieces(blocks)) {
    signal?.throwIfAborted();
    const begin = piece[0]?.handle.offset ?? 0;
    const end = piece.reduce((_, { handle }) => blockEnd(handle), begin);
    const bytes = await readAt(file, begin, end - begin);
    for (const block of piece) {
      const { handle } = block;
      const kind = check.faultOf(block, bytes.subarray(handle.offset - begin, blockEnd(handle) - begin));
      if (kind !== undefined) faults.push(faultAt(kind, handle));
    }
    progress?.(end - begin);
  }
  return faults;
}

/** Blocks that are read at once. */
function* pieces(blocks: readonly DataBlock[]): Generator<DataBlock[]> {
  let piece: DataBlock[] = [];
  let bytes = 0;
  for (const block of blocks) {
    piece.push(block);
    bytes += block.handle.bytes + TRAILER_BYTES;
    if (bytes < PIECE_BYTES) continue;
    yield piece;
    piece = [];
    bytes = 0;
  }
  if (piece.length > 0) yield piece;
}

class BlockCheck {
  readonly #filter: TableFilter | undefined;

  constructor(filter: TableFilter | undefined) {
    this.#filter = filter;
  }

  faultOf(block: DataBlock, bytes: Buffer): FaultKind | undefined {
    if (isIntact(bytes)) return isEmptyBlock(bytes) ? 'lost' : undefined;
    const contents = contentsOf(bytes);
    return contents !== undefined && this.#hasRightKeys(block, contents) ? 'values' : 'keys';
  }

  /** Keys that stand in the wrong order end the process when LevelDB compacts them, those of other objects mislead it. */
  #hasRightKeys({ handle, above, upTo }: DataBlock, contents: Buffer): boolean {
    let previous = above;
    const isRight = walkBlock(contents, ({ key }) => {
      if (!follows(key, previous)) return false;
      previous = key;
      return this.#filter?.mayHave(handle.offset, userKey(key)) ?? true;
    });
    return isRight && previous !== undefined && previous !== above && compareInternalKeys(previous, upTo) <= 0;
  }
}
