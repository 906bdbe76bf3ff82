import { join } from 'node:path';
import t, { type Test } from 'tap';
import { offsetIn } from '../../../src/qcow2/entries.js';
import { qemuImg } from '../../kit/qemu.js';
import { chainOf, makeChain, openTestChain, type TestChain } from '../../kit/stored-chain.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const KIB = 1024;

/** A change of the file at the top: a place in it, and what stands there then. */
type Patch = readonly [at: number, ...bytes: readonly number[]];

function patched({ chain, files }: TestChain, ...patches: readonly Patch[]): TestChain {
  const top = chain.files.at(-1)?.volume ?? '';
  const bytes = Buffer.from(files.get(top) ?? Buffer.alloc(0));
  for (const [at, ...values] of patches) bytes.set(values, at);
  return { chain, files: new Map(files).set(top, bytes) };
}

/** The first entry of the table at `at`, as an offset. */
function firstOffset({ chain, files }: TestChain, at: number): number {
  const bytes = files.get(chain.files.at(-1)?.volume ?? '') ?? Buffer.alloc(8);
  return offsetIn({ high: bytes.readUInt32BE(at), low: bytes.readUInt32BE(at + 4) });
}

const L1_OFFSET_AT = 40;

/** Where the entries of the file at the top stand that lead to its first cluster. */
function entriesOf(made: TestChain): { readonly l1: number; readonly l2: number } {
  const bytes = made.files.get(made.chain.files.at(-1)?.volume ?? '') ?? Buffer.alloc(64);
  const l1 = Number(bytes.readBigUInt64BE(L1_OFFSET_AT));
  return { l1, l2: firstOffset(made, l1) };
}

async function alone(t: Test, options?: string, ...commands: readonly string[]): Promise<TestChain> {
  const layer = { format: 'qcow2', size: '256k', commands, ...(options !== undefined && { options }) } as const;
  return await makeChain(temporaryDirectory(t), [layer]);
}

t.test('headers that are not read', async (t) => {
  const made = await alone(t);
  const refused = async (code: string, message: string | RegExp, ...patches: readonly Patch[]): Promise<void> => {
    await t.rejects(openTestChain(patched(made, ...patches)), { code: `FILESYSTEM_${code}`, message });
  };
  await refused('UNREADABLE', 'vda.0 is encrypted', [35, 1]);
  await refused('UNREADABLE', 'vda.0 has its data in another file', [79, 4]);
  await refused('UNREADABLE', /^vda\.0 has features of qcow2 that are not known \(32\)$/, [79, 32]);
  await refused('UNREADABLE', 'vda.0 is of version 1 of qcow2', [7, 1]);
  await refused('UNREADABLE', 'vda.0 is compressed in a way that is not known (9)', [79, 8], [104, 9]);
  await refused('UNREADABLE', 'vda.0 lies on a file that is not stored', [14, 1, 0], [19, 9]);
  await refused('DAMAGED', 'vda.0 is marked as damaged', [79, 2]);
  await refused('DAMAGED', 'vda.0 has no qcow2 header', [0, 0]);
  await refused('DAMAGED', /a cluster size that is out of range/, [23, 22]);
  await refused('DAMAGED', /a cluster size that is out of range/, [23, 8]);
  await refused('DAMAGED', /clusters that are too small for subclusters/, [79, 16], [23, 13]);
  await refused('DAMAGED', /a header of a length that is out of range/, [100, 1]);
  await refused('DAMAGED', /a header of a length that is out of range/, [103, 100]);
  await refused('DAMAGED', /a size that is out of range/, [24, 0x7f]);
  await refused('DAMAGED', /an L1 table that is too small for its size/, [27, 1]);
  await refused('DAMAGED', /an L1 table that is too large/, [36, 1]);
  await refused('DAMAGED', /an L1 table at a place where none can be/, [47, 8]);
  await refused('DAMAGED', /an L1 table at a place where none can be/, [40, 0xff]);
  await refused('DAMAGED', /^vda\.0 is damaged or was cut off: its L1 table lies behind its end$/, [44, 1]);

  const cutOff = new Map([['vda.0', (made.files.get('vda.0') ?? Buffer.alloc(0)).subarray(0, 40)]]);
  await t.rejects(openTestChain({ chain: made.chain, files: cutOff }), { code: 'FILESYSTEM_DAMAGED' });
  const here = temporaryDirectory(t);
  const [one, two] = [join(here, 'one'), join(here, 'two')];
  for (const path of [one, two]) qemuImg('create', '-q', '-f', 'qcow2', path, '256k');
  await t.rejects(openTestChain(chainOf([one, two], ['qcow2', 'qcow2'])), {
    code: 'FILESYSTEM_DAMAGED',
    message: 'vda.1 lies on no other file, and the shadow copy says that it does',
  });
});

t.test('tables that make no sense cost what they lead to, and no more', async (t) => {
  const plain = await alone(t, 'cluster_size=4k', 'write -P 3 0 8k');
  const { l1, l2 } = entriesOf(plain);
  const first = Buffer.alloc(4 * KIB);
  const refused = async (made: TestChain, what: RegExp, ...patches: readonly Patch[]): Promise<void> => {
    const source = await openTestChain(patched(made, ...patches));
    const message = new RegExp(`^the qcow2 file vda.0 is damaged: it has ${what.source}$`);
    await t.rejects(async () => source.read(first, 0), { code: 'FILESYSTEM_DAMAGED', message });
  };
  await refused(plain, /an L2 table at a place where none can be/, [l1 + 6, 2]);
  await refused(plain, /an L2 table behind its end/, [l1 + 3, 0x10]);
  await refused(plain, /a cluster at a place where none can be/, [l2 + 6, 2]);
  await refused(plain, /a cluster behind its end/, [l2 + 1, 0x10]);
  await refused(plain, /a compressed cluster behind its end/, [l2, 0x40, 1]);
  await refused(plain, /a compressed cluster that makes no sense/, [l2, 0x40, 0]);
  const old = await alone(t, 'compat=0.10', 'write -P 3 0 4k');
  await refused(old, /a cluster of zeros, which version 2 has not/, [entriesOf(old).l2 + 7, 1]);

  const source = await openTestChain(patched(plain, [l2 + 1, 0x10]));
  t.equal(await source.read(first, 4 * KIB), first.length);
  t.ok(first.equals(Buffer.alloc(4 * KIB, 3)), 'its neighbour is read');

  const extended = await alone(t, 'extended_l2=on', 'write -P 3 0 2k');
  const entry = entriesOf(extended).l2;
  await refused(extended, /a subcluster that makes no sense/, [entry + 11, 1]);
  await refused(extended, /a subcluster that makes no sense/, [entry, 0, 0, 0, 0, 0, 0, 0, 0]);
});

t.test('what is half a cluster at the end of the file ends in zeros', async (t) => {
  const { chain, files } = await alone(t, undefined, 'write -P 3 0 64k');
  const file = files.get('vda.0') ?? Buffer.alloc(0);
  const cut = new Map([['vda.0', file.subarray(0, file.length - 60 * KIB)]]);
  const source = await openTestChain({ chain, files: cut });
  const cluster = Buffer.alloc(64 * KIB, 1);
  t.equal(await source.read(cluster, 0), cluster.length);
  t.ok(cluster.equals(Buffer.alloc(64 * KIB).fill(3, 0, 4 * KIB)));
});
