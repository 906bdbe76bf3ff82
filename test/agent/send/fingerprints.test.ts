import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { Fingerprints, FingerprintWriter } from '../../../agent/send/fingerprints.js';
import { EMPTY_DIGEST, toHex } from '../../../src/codec/digest.js';
import { leafDigest } from '../../kit/memory-nodes.js';
import { flipBit } from '../../kit/store-damage.js';
import { Random, testSeed } from '../../kit/random.js';

const TIB = 1024 ** 4;
const of = { root: toHex(leafDigest(0)), sizeBytes: TIB };

t.test('what was set is found again, of that volume only; 1 TiB of holes takes no room', async (t) => {
  const file = path.join(t.testdir(), 'machine', 'vda');
  const writer = await FingerprintWriter.open(file);
  writer.set(7, leafDigest(1));
  writer.set(8, undefined);
  writer.set(262_143, leafDigest(2));
  t.equal(await Fingerprints.read(file, of), undefined, 'not before the server has it');
  await writer.finish(of);
  const read = await Fingerprints.read(file, of);
  t.same(read?.leaf(7), leafDigest(1));
  t.same(read?.leaf(8), EMPTY_DIGEST);
  t.same([...(read?.regions(0, 262_144) ?? [])], [7, 262_143]);
  t.ok(readFileSync(file).length < 24 * 1024);
  t.equal(await Fingerprints.read(file, { ...of, root: toHex(leafDigest(9)) }), undefined, 'of another content');
  t.equal(await Fingerprints.read(file, { ...of, sizeBytes: TIB / 2 }), undefined, 'of another size');
  t.equal(await Fingerprints.read(`${file}.other`, of), undefined);
});

t.test('one that was given up leaves those before', async (t) => {
  const file = path.join(t.testdir(), 'vda');
  const first = await FingerprintWriter.open(file);
  await first.finish(of);
  const second = await FingerprintWriter.open(file);
  second.set(1, leafDigest(1));
  await second.giveUp();
  t.same([...((await Fingerprints.read(file, of))?.regions(0, 10) ?? [1])], []);
});

t.test('torn and damaged ones, and those of the first version, are none', async (t) => {
  const random = new Random(testSeed(t));
  const file = path.join(t.testdir(), 'vda');
  const writer = await FingerprintWriter.open(file);
  writer.set(3, leafDigest(1));
  await writer.finish(of);
  const good = readFileSync(file);
  for (let round = 0; round < 30; round++) {
    // The padding of the head is compared too.
    writeFileSync(file, flipBit(random, good));
    t.equal(await Fingerprints.read(file, of), undefined);
  }
  for (const length of [0, 100, 4096, good.length - 1]) {
    writeFileSync(file, good);
    truncateSync(file, length);
    t.equal(await Fingerprints.read(file, of), undefined, `${length} bytes`);
  }
  const first = Buffer.concat([Buffer.alloc(4096), Buffer.alloc(32)]);
  first.write('umbra fingerprints 1\n');
  writeFileSync(file, first);
  t.equal(await Fingerprints.read(file, of), undefined);
});
