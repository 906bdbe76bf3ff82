import { BlockSet } from '../../filter/log/block-set.js';
import { hostRange, readHeader, readTables, type Qcow2Header, type ReadAt } from './qcow2-tables.js';
import { readKept, TableWriter } from './table-file.js';

const COPIED = 1n << 63n;

interface Table {
  readonly index: number;
  readonly table: Buffer;
}

/** Keep the tables of a qcow2 file for the next checkpoint. */
export async function keepTables(read: ReadAt, path: string): Promise<void> {
  const header = await readHeader(read);
  const writer = await TableWriter.create(path, header);
  try {
    for await (const { index, table } of readTables(read, header)) await writer.add(index, table);
    await writer.finish();
  } finally {
    await writer.close();
  }
}

/**
 * Which clusters of the virtual disk may have changed: those whose entry in the tables is another one than it was, and
 * those whose place in the file was written.
 * @param written - what was written in the file since the tables at `keptPath` were kept
 * @throws {UmbraError} IMAGE_FORMAT when the two are not comparable; what the file system throws when there is none
 */
export async function changedClusters(
  read: ReadAt,
  keptPath: string,
  written: BlockSet,
): Promise<{ readonly clusters: BlockSet; readonly sizeBytes: number }> {
  const header = await readHeader(read);
  const clusters = new BlockSet(2 ** header.clusterBits);
  const none = Buffer.alloc(2 ** header.clusterBits);
  for await (const [index, before, now] of sideBySide(readKept(keptPath, header), readTables(read, header))) {
    compare({ header, index, before: before ?? none, now: now ?? none, written, clusters });
  }
  return { clusters, sizeBytes: header.sizeBytes };
}

interface Comparison {
  readonly header: Qcow2Header;
  readonly index: number;
  readonly before: Buffer;
  readonly now: Buffer;
  readonly written: BlockSet;
  readonly clusters: BlockSet;
}

function compare({ header, index, before, now, written, clusters }: Comparison): void {
  const entryBytes = header.extended ? 16 : 8;
  const entries = now.length / entryBytes;
  for (let entry = 0; entry < entries; entry++) {
    const at = entry * entryBytes;
    const place = now.readBigUInt64BE(at);
    const isSame =
      (place & ~COPIED) === (before.readBigUInt64BE(at) & ~COPIED) &&
      (!header.extended || now.readBigUInt64BE(at + 8) === before.readBigUInt64BE(at + 8));
    if (!isSame || wasWritten(place, header.clusterBits, written)) clusters.add([index * entries + entry, 1]);
  }
}

function wasWritten(entry: bigint, clusterBits: number, written: BlockSet): boolean {
  const range = hostRange(entry, clusterBits);
  return range !== undefined && written.hasAny(written.run(range.offset, range.length));
}

/** The tables of both with the same index together. */
async function* sideBySide(
  befores: AsyncGenerator<Table>,
  nows: AsyncGenerator<Table>,
): AsyncGenerator<readonly [index: number, before: Buffer | undefined, now: Buffer | undefined]> {
  try {
    let before = await nextOf(befores);
    let now = await nextOf(nows);
    while (before !== undefined || now !== undefined) {
      const index = Math.min(before?.index ?? Infinity, now?.index ?? Infinity);
      const [old, young] = [before?.index === index ? before : undefined, now?.index === index ? now : undefined];
      yield [index, old?.table, young?.table];
      if (old !== undefined) before = await nextOf(befores);
      if (young !== undefined) now = await nextOf(nows);
    }
  } finally {
    await befores.return(undefined);
    await nows.return(undefined);
  }
}

async function nextOf(tables: AsyncGenerator<Table>): Promise<Table | undefined> {
  const result: IteratorResult<Table, undefined> = await tables.next();
  return result.done === true ? undefined : result.value;
}
