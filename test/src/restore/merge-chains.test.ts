import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import type { RestoreRequest, RestoreResult } from '../../../src/protocol/api.js';
import { CHAINS_FILE, encodeChains, type StoredFile } from '../../../src/protocol/stored-chains.js';
import { loopDevice } from '../../kit/loop-device.js';
import { openMemoryStore, type MemoryStore } from '../../kit/memory-store.js';
import { imageContent } from '../../kit/overlays.js';
import { qemuImg, qemuIo } from '../../kit/qemu.js';
import { Random, testSeed } from '../../kit/random.js';
import { runRestore } from '../../kit/run-restore.js';
import { smallDisk } from '../../kit/small-disk.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

interface Lab {
  readonly memory: MemoryStore;
  readonly here: string;
  /** Store files as one disk, the bottom first, and merge them. */
  readonly merge: (files: readonly string[], request?: Partial<RestoreRequest>) => Promise<RestoreResult>;
}

async function startLab(t: Test): Promise<Lab> {
  const memory = await openMemoryStore(t);
  const here = temporaryDirectory(t);
  const merge: Lab['merge'] = async (files, request = {}) => {
    const volumes = Object.fromEntries(files.map((file, index) => [`vda.${index}`, readFileSync(file)]));
    const stored = files.map((path, index): StoredFile => ({
      volume: `vda.${index}`,
      path,
      format: path.endsWith('.raw') ? 'raw' : 'qcow2',
    }));
    const config = [{ name: CHAINS_FILE, data: encodeChains([{ disk: 'vda', files: stored }]) }];
    await memory.backUp(volumes, { config });
    return await runRestore(memory, { to: join(here, 'to'), merge: true, ...request });
  };
  return { memory, here, merge };
}

function patch(file: string, offset: number, ...bytes: readonly number[]): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.from(bytes), 0, bytes.length, offset);
  closeSync(fd);
}

t.test('nothing but what is stored is opened, whatever an image names', async (t) => {
  const { here, merge } = await startLab(t);
  const [base, secret, top] = ['base.raw', 'secret.raw', 'top.qcow2'].map((name) => join(here, name)) as [
    string,
    string,
    string,
  ];
  qemuImg('create', '-q', '-f', 'raw', base, '1M');
  writeFileSync(secret, Buffer.alloc(MIB, 's'));
  qemuImg('create', '-q', '-f', 'qcow2', '-b', secret, '-F', 'raw', top);
  await qemuIo(top, 'qcow2', 'write -P 7 64k 64k');
  const { volumes } = await merge([base, top]);
  const merged = readFileSync(volumes[0]?.to ?? '');
  t.ok(merged.equals(Buffer.alloc(MIB).fill(7, 64 * 1024, 128 * 1024)));
  t.match(volumes, [{ name: 'vda', to: join(here, 'to', 'vda.raw'), sizeBytes: MIB, differential: false }]);

  const to = join(here, 'disk');
  const refused = (files: readonly string[], message: RegExp): Promise<unknown> =>
    t.rejects(merge(files, { volume: 'vda', to }), { code: 'IMAGE_FORMAT', message });
  await refused([top], /^\S+top\.qcow2 lies on a file that is not stored$/);
  const many = Array.from({ length: 11 }, (_, index) => join(here, `${index}.qcow2`));
  for (const [index, file] of many.entries()) {
    qemuImg(
      'create',
      '-q',
      '-f',
      'qcow2',
      ...(index === 0 || index === 10 ? [] : ['-u', '-b', base, '-F', 'raw']),
      file,
      '1M',
    );
  }
  await refused(many, /^\S+\/10\.qcow2 lies on no other file/);
  const alone = join(here, 'alone.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', alone, '1M');
  await refused([base, alone], /lies on no other file/);
  const fake = join(here, 'fake.qcow2');
  writeFileSync(fake, Buffer.alloc(MIB, 1));
  await refused([fake], /fake\.qcow2 is no qcow2 image/);
  writeFileSync(fake, 'QFI');
  await refused([fake], /is no qcow2 image/);
  const parts = join(here, 'parts.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${secret}`, parts, '1M');
  await refused([parts], /has its data in another file/);
  for (const [offset, value, message] of [
    [35, 1, /is encrypted/],
    [79, 2, /is marked as damaged/],
    [79, 64, /cannot read|Unsupported/],
  ] as const) {
    writeFileSync(fake, readFileSync(alone));
    patch(fake, offset, value);
    await refused([fake], message);
  }
  writeFileSync(fake, readFileSync(alone));
  truncateSync(fake, 1024);
  const cutOff = merge([fake], { volume: 'vda', to });
  await t.rejects(cutOff, { code: 'IMAGE_FORMAT', message: /cut off/, hint: /"qemu-img check \S+\/fake\.qcow2"/ });
  t.notOk(
    readdirSync(here).some((name) => name === 'disk' || name.startsWith('.umbra')),
    'nothing is left',
  );
});

t.test('an image of version 2 alone, onto what is there', async (t) => {
  const { here, merge } = await startLab(t);
  const image = join(here, 'old.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', '-o', 'compat=0.10', image, '3M');
  await qemuIo(image, 'qcow2', 'write -P 5 1M 100k', 'write -z 2M 64k');
  const to = join(here, 'disk');
  writeFileSync(to, Buffer.alloc(4 * MIB, 5));
  const { volumes } = await merge([image], { volume: 'vda', to });
  t.match(volumes, [{ differential: true, cutOffBytes: MIB, comparedBytes: 3 * MIB }]);
  t.ok(readFileSync(to).equals(imageContent(image, 'qcow2')));

  const device = join(here, 'device');
  writeFileSync(device, Buffer.alloc(3 * MIB, 9));
  await merge([image], { volume: 'vda', to: loopDevice(t, device) });
  t.ok(readFileSync(device).equals(readFileSync(to)));
  const small = join(here, 'small');
  writeFileSync(small, Buffer.alloc(MIB));
  const tooSmall = merge([image], { volume: 'vda', to: loopDevice(t, small) });
  await t.rejects(tooSmall, { code: 'TARGET_TOO_SMALL', message: /has 1048576 bytes, and the disk has 3145728/ });
});

t.test('what there is nothing to merge of', async (t) => {
  const { memory, here, merge } = await startLab(t);
  const base = join(here, 'base.raw');
  writeFileSync(base, new Random(testSeed(t)).bytes(2 * MIB));
  await t.rejects(merge([base], { volume: 'vdb' }), { code: 'NOT_FOUND', hint: 'It has vda.' });
  await memory.backUp({ vda: Buffer.alloc(5) });
  const to = join(here, 'x');
  await t.rejects(runRestore(memory, { to, merge: true }), { code: 'BAD_ARGUMENT', hint: /--as-is/ });
  // A file of that name that is the machine's own, and one that speaks of other volumes.
  const chain = { disk: 'vda', files: [{ volume: 'vda.9', path: base, format: 'raw' } as const] };
  for (const data of [Buffer.from('{}'), encodeChains([chain])]) {
    await memory.backUp({ vda: Buffer.alloc(5) }, { config: [{ name: CHAINS_FILE, data }] });
    await t.rejects(runRestore(memory, { to, merge: true }), { code: 'BAD_ARGUMENT' });
    t.equal((await runRestore(memory, { to })).volumes[0]?.to, join(to, 'vda.raw'));
  }
  await t.rejects(merge([base], { volume: 'vda', to: '/proc/umbra' }), { code: /TARGET_/ });
});

t.test('damage in the store: a disk with holes in its tables is not made', async (t) => {
  const { memory, here, merge } = await startLab(t);
  const base = join(here, 'base.raw');
  writeFileSync(base, new Random(testSeed(t)).bytes(2 * MIB));
  await merge([base]);
  for await (const [key, value] of memory.objects.entries()) {
    if (value.length > 40_000) await memory.objects.write([{ type: 'del', key }], { sync: false });
  }
  const to = join(here, 'disk');
  const merging = runRestore(memory, { to, volume: 'vda', merge: true });
  await t.rejects(merging, { code: 'STORE_DAMAGED', message: /cannot be merged: of vda\.0, \d+ bytes/ });
  t.notOk(readdirSync(here).some((name) => name === 'disk' || name.startsWith('.umbra')));
});

async function inTemporaryDirectory(directory: string, work: () => Promise<unknown>): Promise<void> {
  const { TMPDIR: before } = process.env;
  process.env['TMPDIR'] = directory;
  try {
    await work();
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
}

t.test('a disk that is full, and what a killed merge left there', async (t) => {
  const { memory, here, merge } = await startLab(t);
  const disk = smallDisk(t, 8 * MIB);
  const [base, top] = [join(here, 'base.raw'), join(here, 'top.qcow2')];
  writeFileSync(base, new Random(testSeed(t)).bytes(2 * MIB));
  qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', top);
  await qemuIo(top, 'qcow2', 'write -P 7 64k 512k');
  await merge([base, top]);
  const to = join(disk.directory, 'vda.raw');
  const again = (): Promise<RestoreResult> => runRestore(memory, { to, volume: 'vda', merge: true });
  const left = (): string[] => readdirSync(disk.directory).filter((name) => name !== 'filler');

  disk.fill(MIB);
  const message = `the disk of ${disk.directory} is full, where the files of vda lie until they are merged`;
  await t.rejects(again(), { code: 'TARGET_FULL', message, hint: /^Make room there and run/ });
  t.same(left(), [], 'not even an empty target');
  const device = join(here, 'device');
  writeFileSync(device, Buffer.alloc(2 * MIB));
  await inTemporaryDirectory(disk.directory, () =>
    t.rejects(runRestore(memory, { to: loopDevice(t, device), volume: 'vda', merge: true }), {
      code: 'TARGET_FULL',
      message,
      hint: /^Make room there, or restore to a file/,
    }),
  );
  disk.release();

  disk.fill(4 * MIB);
  await t.rejects(again(), { code: 'TARGET_FULL', message: `the disk of ${to} is full` });
  t.same(left(), ['vda.raw']);
  disk.release();

  mkdirSync(join(disk.directory, '.umbra-merge-killed'));
  writeFileSync(join(disk.directory, '.umbra-merge-killed', 'vda.0'), Buffer.alloc(4 * MIB, 1));
  t.match((await again()).volumes, [{ differential: true }], 'it goes on, with the room that the killed one took');
  t.ok(readFileSync(to).equals(imageContent(top, 'qcow2')));
  t.same(left(), ['vda.raw']);
});
