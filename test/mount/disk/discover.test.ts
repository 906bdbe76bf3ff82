import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { BlockDevice } from '../../../mount/disk/block-device.js';
import { discover } from '../../../mount/disk/discover.js';
import { largeSectorDevice, type SfdiskTable, sfdisk, sfdiskJson, sparseFile } from '../../kit/disk/partitioned.js';
import { patchedSource } from '../../kit/filesystems/fuzz.js';
import type { ByteSource } from '../../../mount/blocks/byte-source.js';
import { UmbraError } from '../../../src/common/errors.js';
import { fileSource, memorySource } from '../../kit/filesystems/sources.js';

const MIB = 1024 * 1024;

/** What sfdisk says, in the words of a block device; without the extended partition. */
function expected(table: SfdiskTable, sectorBytes: number): unknown[] {
  return (table.partitions ?? [])
    .filter(({ type }) => !['5', 'f', '85'].includes(type))
    .map(({ node, start, size, type, uuid, name }) => {
      const number = Number(/\d+$/.exec(node)?.[0]);
      const mbr = table.label === 'dos';
      return {
        name: `vda${number}`,
        number,
        startBytes: start * sectorBytes,
        sizeBytes: size * sectorBytes,
        type: mbr ? `0x${type.padStart(2, '0')}` : type.toLowerCase(),
        uuid: mbr ? `${table.id.slice(2)}-${number.toString(16).padStart(2, '0')}` : uuid?.toLowerCase(),
        label: name ?? '',
      };
    });
}

function shown(devices: readonly BlockDevice[]): unknown[] {
  return devices.map(({ name, source, origin }) => {
    if (origin.kind !== 'partition') return { name, origin };
    const { number, startBytes, type, uuid, label } = origin;
    return { name, number, startBytes, sizeBytes: source.sizeBytes, type, uuid, label };
  });
}

const SCRIPTS: Readonly<Record<string, string>> = {
  GPT: 'label: gpt\nsize=10MiB, name="boot disk"\nsize=20MiB, type=S, name="Übung"\nsize=5MiB, type=U\n',
  'GPT with gaps in the numbers': 'label: gpt\nvda3: start=40MiB, size=3MiB\nvda128: start=10MiB, size=1MiB\n',
  'GPT with more entries': 'label: gpt\ntable-length: 200\nvda200: start=10MiB, size=1MiB\n',
  MBR: 'label: dos\nlabel-id: 0x12ab34cd\nsize=10MiB, type=83, bootable\nsize=20MiB, type=7\n',
  'MBR with logical partitions':
    'label: dos\nsize=10MiB\nsize=50MiB, type=f\nvda4: start=62MiB, size=1MiB, type=82\nvda5: size=5MiB\n' +
    'vda6: size=6MiB, type=8e\nvda7: size=7MiB\nvda8: size=1MiB\n',
};

for (const [name, script] of Object.entries(SCRIPTS)) {
  t.test(`${name}, as sfdisk shows it`, async (t) => {
    const file = sparseFile(t, 64 * MIB);
    sfdisk(file, script);
    const devices = await discover([{ name: 'vda', source: fileSource(t, file) }]);
    t.same(shown(devices), expected(sfdiskJson(file), 512));
    t.ok(devices.every(({ problems }) => problems.length === 0));
  });

  t.test(`${name}, with sectors of 4096 bytes`, async (t) => {
    const file = sparseFile(t, 64 * MIB);
    const device = largeSectorDevice(t, file);
    sfdisk(device, script);
    execFileSync('blockdev', ['--flushbufs', device]);
    const table = sfdiskJson(device);
    const first = Math.min(...(table.partitions ?? []).map(({ start }) => start * 4096));
    execFileSync('mke2fs', ['-q', '-E', `offset=${first}`, file, '500k']);
    t.same(shown(await discover([{ name: 'vda', source: fileSource(t, file) }])), expected(table, 4096));
  });
}

t.test('a damaged GPT: the backup is used', async (t) => {
  const file = sparseFile(t, 16 * MIB);
  sfdisk(file, SCRIPTS['GPT']?.replace('20MiB', '1MiB') ?? '');
  const image = readFileSync(file);
  const good = shown(await discover([{ name: 'vda', source: memorySource(image) }]));
  const cases = [
    {
      offset: 512 + 16,
      bytes: Buffer.of(1, 2, 3, 4),
      problem: /primary GPT is damaged \(its checksum is wrong\); the backup/,
    },
    { offset: 1024, bytes: Buffer.alloc(16), problem: /primary GPT is damaged \(its entries' checksum is wrong\)/ },
    { offset: 512, bytes: Buffer.alloc(512), problem: /primary GPT is gone; the backup was used/ },
    { offset: 512 + 12, bytes: Buffer.of(1), problem: /its length makes no sense/ },
  ];
  for (const { offset, bytes, problem } of cases) {
    const devices = await discover([{ name: 'vda', source: patchedSource(image, [{ offset, bytes }]) }]);
    t.same(shown(devices), good);
    t.match(devices[0]?.problems, [problem]);
  }
});

t.test('a disk that grew has its backup where it ended', async (t) => {
  const file = sparseFile(t, 16 * MIB);
  sfdisk(file, 'label: gpt\nsize=2MiB\n');
  const image = Buffer.concat([readFileSync(file), Buffer.alloc(5 * MIB)]);
  const good = shown(await discover([{ name: 'vda', source: memorySource(image) }]));
  for (const damage of [
    { offset: 528, bytes: Buffer.alloc(4) },
    { offset: 512, bytes: Buffer.alloc(512) },
  ]) {
    const devices = await discover([{ name: 'vda', source: patchedSource(image, [damage]) }]);
    t.same(shown(devices), good);
    t.match(devices[0]?.problems, [/the backup was used/]);
  }
});

/** A disk that is put together from files: what it has in `[from, to)` can't be read. */
function damagedSource(image: Buffer, from: number, to: number): ByteSource {
  const source = memorySource(image);
  return {
    ...source,
    read: (target, offset) => {
      if (offset < to && offset + target.length > from) throw new UmbraError('FILESYSTEM_DAMAGED', 'no such cluster');
      return source.read(target, offset);
    },
  };
}

t.test('bytes that are damaged themselves cost no more than what stands there', async (t) => {
  const file = sparseFile(t, 16 * MIB);
  sfdisk(file, 'label: gpt\nsize=2MiB\nsize=3MiB\n');
  const image = readFileSync(file);
  const good = shown(await discover([{ name: 'vda', source: memorySource(image) }]));
  const problem = 'a part of it cannot be read: no such cluster';
  const begin = await discover([{ name: 'vda', source: damagedSource(image, 0, 10_000) }]);
  t.same(shown(begin), good, 'the backup of the table');
  t.match(begin[0]?.problems, [problem]);
  const end = await discover([{ name: 'vda', source: damagedSource(image, 15 * MIB, 16 * MIB) }]);
  t.same(shown(end), good);
  const second = await discover([{ name: 'vda', source: damagedSource(image, 3 * MIB, 4 * MIB) }]);
  t.same(shown(second), good);
  t.same(
    second.map(({ problems }) => problems),
    [[], [problem]],
  );
  const all = await discover([{ name: 'vda', source: damagedSource(image, 0, 16 * MIB) }]);
  t.match(all, [{ name: 'vda', origin: { kind: 'volume' }, problems: [problem] }]);
});

t.test('both copies of a GPT lost', async (t) => {
  const file = sparseFile(t, 16 * MIB);
  sfdisk(file, 'label: gpt\nsize=2MiB\n');
  const patches = [528, 16 * MIB - 512 + 16].map((offset) => ({ offset, bytes: Buffer.alloc(4) }));
  const [device, ...more] = await discover([{ name: 'vda', source: patchedSource(readFileSync(file), patches) }]);
  t.same(more, []);
  t.equal(device?.name, 'vda');
  t.match(device?.unreadable, { what: /partition table \(GPT\) can't be used/, hint: /testdisk/ });
});

t.test('a volume without a table is one device', async (t) => {
  const file = sparseFile(t, 8 * MIB);
  for (const program of [
    ['mke2fs', '-q'],
    ['mkfs.vfat', '-F', '12'],
    ['mkntfs', '-q', '-F', '-f', '-s', '512'],
    ['mkfs.exfat'],
  ]) {
    execFileSync(program[0] ?? '', [...program.slice(1), file], { stdio: 'ignore' });
    const devices = await discover([{ name: 'vda', source: fileSource(t, file) }]);
    t.match(devices, [{ name: 'vda', origin: { kind: 'volume' }, problems: [], source: { sizeBytes: 8 * MIB } }]);
  }
  t.equal((await discover([{ name: 'vda', source: memorySource(Buffer.alloc(0)) }])).length, 1);
  t.same(await discover([]), []);
});
