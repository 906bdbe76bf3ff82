import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import {
  type BlockEntry,
  blockEnd,
  type BlockHandle,
  contentsOf,
  FOOTER_BYTES,
  readFooter,
  readHandle,
  type TableFooter,
  walkBlock,
} from '../../src/store/table-blocks.js';

/** Leave in a store that nobody has open what a process leaves that dies while it opens it. */
export function leaveMark(directory: string): void {
  writeFileSync(path.join(directory, 'opening'), readFileSync('/proc/sys/kernel/random/boot_id'));
}

/** The tables of a database, the oldest first. */
export function tableFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.ldb'))
    .sort()
    .map((name) => path.join(directory, name));
}

/** What the end of a table says. */
export function footerOf(table: Buffer): TableFooter {
  const footer = readFooter(table.subarray(-FOOTER_BYTES), table.length);
  if (footer === undefined || footer === 'damaged') throw new Error('the table has no footer');
  return footer;
}

/** The data blocks of a table. */
export function dataBlocks(table: Buffer): BlockHandle[] {
  return entriesOf(table, footerOf(table).index).map(({ value }) => readHandle(value) ?? { offset: -1, bytes: 0 });
}

/** The entries of a block; copies. */
export function entriesOf(table: Buffer, handle: BlockHandle): BlockEntry[] {
  const entries: BlockEntry[] = [];
  const contents = contentsOf(table.subarray(handle.offset, blockEnd(handle)));
  if (contents === undefined || !walkBlock(contents, (entry) => entries.push(entry) > 0))
    throw new Error('the block can not be walked');
  return entries;
}

/** Change a file's bytes. */
export function change(file: string, how: (bytes: Buffer) => void): void {
  const bytes = readFileSync(file);
  how(bytes);
  writeFileSync(file, bytes);
}

/** Flip the bit in the first entry of a data block that makes its key, of 16 bytes until then, shorter than LevelDB allows. */
export function shortenKey(file: string, block: number): BlockHandle {
  const handle = dataBlocks(readFileSync(file))[block];
  if (handle === undefined) throw new Error('there is no such block');
  change(file, (bytes) => (bytes[handle.offset + 1] = (bytes[handle.offset + 1] ?? 0) ^ 16));
  return handle;
}
