import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { offsetIn } from '../../../src/qcow2/entries.js';
import { HEADER_BYTES, isRefused, parseQcow2Header } from '../../../src/qcow2/header.js';
import { randomPatches } from '../../kit/filesystems/fuzz.js';
import { strictSource } from '../../kit/filesystems/sources.js';
import { Random } from '../../kit/random.js';
import { firstSeed, repeats } from '../../kit/repeats.js';
import { makeChain, openTestChain, randomWrites, type TestChain } from '../../kit/stored-chain.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MUTANTS = 400;
const PIECE_BYTES = 64 * 1024;
const MAX_PIECES = 12;

interface Region {
  readonly offset: number;
  readonly length: number;
}

/** Where the header and the tables of a qcow2 file stand, and all of it, where its compressed clusters are. */
function regionsOf(file: Buffer): Region[] {
  const header = parseQcow2Header(file.subarray(0, HEADER_BYTES));
  if (isRefused(header)) throw new Error('no image to begin with');
  const { l1Offset, l1Entries, clusterBits } = header;
  const tables = Array.from({ length: l1Entries }, (_, index) => l1Offset + 8 * index)
    .map((at) => offsetIn({ high: file.readUInt32BE(at), low: file.readUInt32BE(at + 4) }))
    .filter((offset) => offset > 0)
    // Few entries of a table are used.
    .flatMap((offset) => [
      { offset, length: 64 },
      { offset, length: 2 ** clusterBits },
    ]);
  const head = { offset: 0, length: HEADER_BYTES };
  return [head, head, { offset: l1Offset, length: 8 * l1Entries }, ...tables, { offset: 0, length: file.length }];
}

function mutant(random: Random, { chain, files }: TestChain): TestChain {
  const hit = random.below(chain.files.length);
  const changed = [...files].map(([volume, file], index): [string, Buffer] => {
    if (index !== hit || chain.files[index]?.format === 'raw') return [volume, file];
    const bytes = Buffer.from(file);
    for (const { offset, bytes: patch } of randomPatches(random, file, regionsOf(file))) {
      bytes.set(patch.subarray(0, Math.max(0, bytes.length - offset)), offset);
    }
    return [volume, random.chance(0.1) ? bytes.subarray(0, random.below(bytes.length)) : bytes];
  });
  return { chain, files: new Map(changed) };
}

/** Open it and read some of it: what is wrong with the reader, not with the image. */
async function exercise(made: TestChain): Promise<string[]> {
  const wrong: string[] = [];
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (error instanceof UmbraError && error.code.startsWith('FILESYSTEM_')) return;
      wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  };
  await attempt(async () => {
    const source = await openTestChain(made, (file) => strictSource(file, (what) => wrong.push(what)));
    const pieces = Math.ceil(source.sizeBytes / PIECE_BYTES);
    for (let index = 0; index < Math.min(pieces, MAX_PIECES); index++) {
      const at = PIECE_BYTES * Math.floor((index * pieces) / Math.min(pieces, MAX_PIECES));
      const length = Math.min(PIECE_BYTES, source.sizeBytes - at);
      await attempt(async () => {
        const read = await source.read(Buffer.alloc(PIECE_BYTES).subarray(0, length), at);
        if (read !== length) wrong.push(`${read} of ${length} bytes at ${at}`);
      });
    }
  });
  return wrong;
}

t.test('damaged headers, tables and clusters: bytes or an error, never more', async (t) => {
  const random = new Random(firstSeed(t));
  const size = '768k';
  const layer = (options: string, ...commands: readonly string[]) =>
    ({ format: 'qcow2', size, options, commands: [...commands, ...randomWrites(random, 768 * 1024, false)] }) as const;
  const bases = [
    await makeChain(temporaryDirectory(t), [
      { format: 'raw', size, commands: ['write -P 5 0 700k'] },
      layer('cluster_size=512'),
      layer('extended_l2=on', 'write -c -P 6 128k 64k'),
    ]),
    await makeChain(temporaryDirectory(t), [
      layer('cluster_size=4k,compression_type=zstd', ...[0, 4, 8, 12].map((at) => `write -c -P 6 ${at}k 4k`)),
      layer('compat=0.10', 'write -c -P 6 128k 64k'),
    ]),
  ];
  const wrong: string[] = [];
  for (let turn = 0; turn < repeats(MUTANTS) && wrong.length < 20; turn++) {
    const base = bases[turn % bases.length];
    if (base !== undefined)
      wrong.push(...(await exercise(mutant(random, base))).map((what) => `turn ${turn}: ${what}`));
  }
  t.same(wrong, []);
});
