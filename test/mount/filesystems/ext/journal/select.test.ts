import t from 'tap';
import type { JournalSuperblock } from '../../../../../mount/filesystems/ext/journal/format.js';
import type { JournalLog } from '../../../../../mount/filesystems/ext/journal/log.js';
import { scanLog } from '../../../../../mount/filesystems/ext/journal/scan.js';
import { selectBlocks } from '../../../../../mount/filesystems/ext/journal/select.js';
import { TagList } from '../../../../../mount/filesystems/ext/journal/tag-list.js';

const BLOCK_BYTES = 4096;
const JOURNAL: JournalSuperblock = {
  maxBlocks: 4_000_000_000,
  first: 1,
  last: 4_000_000_000,
  fastFirst: 4_000_000_001,
  fastEnd: 4_000_000_000,
  sequence: 7,
  start: 1,
  has64bit: false,
  hasAsyncCommits: false,
  sumsTransactions: false,
  checksumVersion: 0,
  checksumSeed: 0,
};

/** A revoke block. */
function revokeBlock(sequence: number, blocks: readonly number[]): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  for (const [index, number] of [0xc03b3998, 5, sequence, 16 + 4 * blocks.length, ...blocks].entries()) {
    bytes.writeUInt32BE(number, index * 4);
  }
  return bytes;
}

/** A journal that has these blocks. */
function logOf(read: (block: number) => Buffer): JournalLog {
  const log: Pick<JournalLog, 'read' | 'physical' | 'blockBytes'> = {
    blockBytes: BLOCK_BYTES,
    read,
    physical: (block) => block,
  };
  return log as JournalLog;
}

t.test('revokes take away what came before them', async (t) => {
  const tags = new TagList();
  for (const [index, [block, sequence]] of [
    [50, 7],
    [60, 7],
    [50, 8],
    [70, 8],
    [50, 10],
    [80, 8],
  ].entries()) {
    tags.add(block ?? 0, 1000 + index, sequence ?? 0, 0, false);
  }
  // Beyond the end stands what was dropped.
  tags.add(90, 2000, 11, 0, false);
  tags.length--;
  const blocks = [revokeBlock(9, [50, 80, 99, 90, 1]), revokeBlock(7, [50, 70]), revokeBlock(8, [60, 60])];
  const revokes = [9, 7, 8].map((sequence, block) => ({ block, sequence }));
  const scanned = { tags, revokes, end: 12, problem: undefined };
  const { blocks: found, positions } = await selectBlocks(
    scanned,
    logOf((block) => blocks[block] ?? blocks[0] ?? Buffer.alloc(0)),
    JOURNAL,
  );
  t.same([...found], [50, 70]);
  t.same([...positions], [1004, 1003]);
});

t.test('however often a block is revoked, its tags are gone through once', async (t) => {
  const COUNT = 1000;
  const tags = new TagList();
  for (let index = 0; index < COUNT; index++) tags.add(50, 1000 + index, 7, 0, false);
  let looks = 0;
  tags.sequences = new Proxy(tags.sequences, {
    get: (target, key): unknown => {
      looks++;
      return Reflect.get(target, key);
    },
  });
  const block = revokeBlock(9, new Array<number>(COUNT).fill(50));
  const scanned = { tags, revokes: [{ block: 0, sequence: 9 }], end: 12, problem: undefined };
  t.equal(
    (
      await selectBlocks(
        scanned,
        logOf(() => block),
        JOURNAL,
      )
    ).blocks.length,
    0,
  );
  t.ok(looks <= 2 * COUNT, `${looks} looks`);
});

t.test('a journal without an end is not replayed', async (t) => {
  const revokes = revokeBlock(7, [50]);
  await t.rejects(
    scanLog(
      logOf(() => revokes),
      JOURNAL,
      100,
    ),
    { code: 'FILESYSTEM_DAMAGED', message: /revokes more/ },
  );
  // A descriptor whose blocks all lie outside of the file system.
  const tags = Array.from({ length: 500 }, (_, index) => [200, index === 499 ? 10 : 2]).flat();
  const descriptor = Buffer.alloc(BLOCK_BYTES);
  for (const [index, number] of [0xc03b3998, 1, 7, ...tags].entries()) descriptor.writeUInt32BE(number, index * 4);
  await t.rejects(
    scanLog(
      logOf(() => descriptor),
      JOURNAL,
      100,
    ),
    { code: 'FILESYSTEM_DAMAGED', message: /blocks of the journal/ },
  );
});
