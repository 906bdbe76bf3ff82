import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ByteSource } from '../../../mount/blocks/byte-source.js';
import { strictSource } from '../../kit/filesystems/sources.js';
import { qemuImg } from '../../kit/qemu.js';
import { Random } from '../../kit/random.js';
import { firstSeed, repeats } from '../../kit/repeats.js';
import {
  chainOf,
  contentOf,
  makeChain,
  openTestChain,
  randomWrites,
  type TestChain,
  topOf,
} from '../../kit/stored-chain.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** All of it and random pieces of it are what QEMU reads, and nothing is read outside of the files. */
async function isExact(t: Test, made: TestChain, random: Random, what: string): Promise<void> {
  const wrong: string[] = [];
  const source: ByteSource = await openTestChain(made, (file) => strictSource(file, (say) => wrong.push(say)));
  const content = contentOf(made);
  t.equal(source.sizeBytes, content.length, what);
  const whole = Buffer.alloc(content.length + 10, 0xaa);
  t.equal(await source.read(whole, 0), content.length);
  t.ok(whole.subarray(0, content.length).equals(content), `${what}: the whole disk`);
  for (let turn = 0; turn < 30; turn++) {
    const offset = random.below(content.length);
    const piece = Buffer.alloc(random.between(1, turn % 3 === 0 ? 300_000 : 5000), 0xaa);
    const length = await source.read(piece, offset);
    if (!piece.subarray(0, length).equals(content.subarray(offset, offset + piece.length))) {
      t.fail(`${what}: ${piece.length} bytes at ${offset}`);
    }
  }
  t.same(wrong, []);
}

/** Options of the format, and what a cluster has. */
const FORMATS = [
  ['compat=0.10', 64 * KIB],
  ['compat=0.10,cluster_size=512', 512],
  ['cluster_size=4k', 4 * KIB],
  ['', 64 * KIB],
  ['cluster_size=2M', 2 * MIB],
  ['extended_l2=on,cluster_size=16k', 16 * KIB],
  ['extended_l2=on', 64 * KIB],
] as const;

t.test('chains of one to three files that were written at random, each of another size', async (t) => {
  const random = new Random(firstSeed(t));
  for (let turn = 0; turn < repeats(FORMATS.length); turn++) {
    const count = 1 + (turn % 3);
    const formats = Array.from({ length: count }, (_, layer) => FORMATS[(turn + 3 * layer) % FORMATS.length]);
    const made = await makeChain(
      temporaryDirectory(t),
      formats.map((chosen, layer) => {
        const sizeBytes = 512 * random.between(1, 6 * KIB);
        const format = layer === 0 && count > 1 && random.chance(0.5) ? 'raw' : 'qcow2';
        const options = format === 'raw' || chosen?.[0] === '' ? {} : { options: chosen?.[0] ?? '' };
        const commands = randomWrites(random, sizeBytes, format === 'raw');
        return { format, size: String(sizeBytes), ...options, commands };
      }),
    );
    await isExact(t, made, random, `turn ${turn}: ${formats.map((chosen) => chosen?.[0]).join(' < ')}`);
  }
});

t.test('compressed clusters, by either method, over others and under others', async (t) => {
  const directory = temporaryDirectory(t);
  const random = new Random(firstSeed(t));
  const commands = randomWrites(random, 3 * MIB, true);
  const { path: plain } = topOf(await makeChain(directory, [{ format: 'raw', size: '3M', commands }], 'plain'));
  for (const [turn, options] of [
    'compression_type=zlib',
    'compression_type=zstd',
    'compat=0.10,cluster_size=4k',
    'compression_type=zstd,cluster_size=2M',
    'extended_l2=on',
  ].entries()) {
    const image = join(directory, `compressed-${turn}`);
    qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, plain, image);
    await isExact(t, chainOf([image], ['qcow2']), random, options);
  }
  const [clusters, size] = ['write -c -P 9 64k 64k', '512k'];
  const layers = [
    { format: 'qcow2', size, commands: ['write -P 1 0 512k', clusters, 'write -P 2 100k 1k'] },
    { format: 'qcow2', size, commands: ['write -c -P 3 192k 64k', 'write -P 4 200k 10k'] },
  ] as const;
  await isExact(t, await makeChain(directory, layers), random, 'some of them compressed');
});

t.test('a disk that is large and nearly empty costs next to nothing', async (t) => {
  const layers = [{ format: 'qcow2', size: '64T', commands: ['write -P 7 60T 64k'] }] as const;
  let bytes = 0;
  const source = await openTestChain(await makeChain(temporaryDirectory(t), layers), (file) => ({
    ...file,
    read: (target, offset) => {
      bytes += target.length;
      return file.read(target, offset);
    },
  }));
  const piece = Buffer.alloc(128 * KIB);
  t.equal(await source.read(piece, 60 * 2 ** 40), piece.length);
  t.ok(piece.equals(Buffer.alloc(128 * KIB).fill(7, 0, 64 * KIB)));
  t.equal(await source.read(piece, source.sizeBytes - 10), 10);
  t.ok(bytes < 512 * KIB, 'no table is read as a whole');
  t.same(source.locate(5, 10), [{ length: 10, offset: 0 }]);
  t.same(source.locate(5, 0), []);
});
