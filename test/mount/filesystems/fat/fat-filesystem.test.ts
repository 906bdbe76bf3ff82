import t, { type Test } from 'tap';
import { BlockCache } from '../../../../mount/blocks/block-cache.js';
import type { ByteSource } from '../../../../mount/blocks/byte-source.js';
import { fatDriver } from '../../../../mount/filesystems/fat/fat-driver.js';
import type { FileId, Filesystem } from '../../../../mount/filesystems/filesystem.js';
import { fatBytes, longSlots, shortEntry } from '../../../kit/filesystems/fat-bytes.js';
import { memorySource, strictSource } from '../../../kit/filesystems/sources.js';

const MIB = 1024 * 1024;
/** Of the image that `floppy` makes. */
const FLOPPY = { fatOffset: 512, fatBytes: 3 * 512, rootOffset: 7 * 512, heapOffset: 39 * 512, clusterBytes: 512 };

/** FAT12 with 512 bytes in a cluster and these entries in its top directory. */
function floppy(t: Test, ...slots: readonly Buffer[]): Buffer {
  const bytes = fatBytes(t, { kind: 12, sizeBytes: MIB / 2, clusterSectors: 1, options: ['-r', '512', '-a'] });
  Buffer.concat(slots).copy(bytes, FLOPPY.rootOffset);
  return bytes;
}

async function open(source: ByteSource): Promise<Filesystem> {
  return await fatDriver.open({ source, cache: new BlockCache(MIB) });
}

async function namesOf(filesystem: Filesystem, directory: FileId = filesystem.root): Promise<string[]> {
  const names: string[] = [];
  for await (const batch of filesystem.readDirectory(directory)) names.push(...batch.map(({ name }) => name));
  return names;
}

async function idOf(filesystem: Filesystem, name: string, directory: FileId = filesystem.root): Promise<FileId> {
  return (await filesystem.lookup(directory, name))?.id ?? 0;
}

/** Set entries of both tables. */
function setFat12(bytes: Buffer, entries: Readonly<Record<number, number>>, copies: readonly number[] = [0, 1]): void {
  for (const copy of copies) {
    for (const [key, value] of Object.entries(entries)) {
      const cluster = Number(key);
      const at = FLOPPY.fatOffset + copy * FLOPPY.fatBytes + cluster + (cluster >> 1);
      const pair = bytes.readUInt16LE(at);
      bytes.writeUInt16LE(cluster % 2 === 0 ? (pair & 0xf000) | value : (pair & 0x000f) | (value << 4), at);
    }
  }
}

t.test('the layout that these tests count on', async (t) => {
  const bytes = floppy(t);
  t.equal(bytes.readUInt16LE(14) * 512, FLOPPY.fatOffset);
  t.equal(bytes.readUInt16LE(22) * 512, FLOPPY.fatBytes);
  t.equal(bytes.readUInt16LE(17), 512);
  t.equal(bytes.readUInt8(13), 1);
});

t.test('short names', async (t) => {
  const filesystem = await open(
    memorySource(
      floppy(
        t,
        shortEntry({ raw: 'PLAIN   TXT' }),
        shortEntry({ raw: 'LOWER   TXT', ntFlags: 0x18 }),
        shortEntry({ raw: 'BASE    TXT', ntFlags: 0x08 }),
        shortEntry({ raw: 'EXT     TXT', ntFlags: 0x10 }),
        shortEntry({ raw: '\x05\x80\x90\xe4    \x99  ' }),
        shortEntry({ raw: '\x80\x90\xe4\xe2ABC \x9a  ', ntFlags: 0x18 }),
        shortEntry({ raw: 'A B C   D/F' }),
        shortEntry({ raw: '           ' }),
        shortEntry({ raw: '        EXT' }),
        shortEntry({ raw: '.          ', attributes: 0x10 }),
        shortEntry({ raw: '..         ', attributes: 0x10 }),
        shortEntry({ raw: '        .  ' }),
        shortEntry({ raw: '\xe5ELETED TXT' }),
        shortEntry({ raw: 'LABEL      ', attributes: 0x08 }),
        shortEntry({ raw: 'LAST       ' }),
        Buffer.alloc(32),
        shortEntry({ raw: 'AFTER   END' }),
      ),
    ),
  );
  t.same(await namesOf(filesystem), [
    'PLAIN.TXT',
    'lower.txt',
    'base.TXT',
    'EXT.txt',
    'σÇÉΣ.Ö',
    'çéσΓabc.ü',
    'A B C.D\\x2fF',
    '.EXT',
    'LAST',
  ]);
  t.equal(filesystem.label, 'LABEL');
  for (const name of await namesOf(filesystem)) t.equal((await filesystem.lookup(filesystem.root, name))?.name, name);
  t.equal((await filesystem.lookup(filesystem.root, 'ΣçéΣ.ö'))?.name, 'σÇÉΣ.Ö', 'found whatever its case');
  t.equal((await filesystem.lookup(filesystem.root, 'plain.txt.'))?.name, 'PLAIN.TXT', 'dots at the end do not count');
  t.equal(await filesystem.lookup(filesystem.root, 'AFTER.END'), undefined);
  t.equal(await filesystem.lookup(filesystem.root, '...'), undefined);
});

t.test('long names', async (t) => {
  const raw = 'LONGNA~1TXT';
  const entry = shortEntry({ raw });
  const other = (name: string): Buffer => shortEntry({ raw: name.padEnd(11) });
  const slots = longSlots('a name of forty characters in four slots', raw);
  const broken = Buffer.from(slots);
  broken[32] = 9;
  const mixed = Buffer.concat([slots.subarray(0, 64), longSlots('another', 'OTHER      ')]);
  const tooLong = Buffer.from(longSlots('x'.repeat(13), 'TOOLONG    '));
  tooLong[0] = 0x55;
  const filesystem = await open(
    memorySource(
      floppy(
        t,
        Buffer.concat([slots, entry]),
        Buffer.concat([longSlots('wrong checksum', raw), other('CHECKSUM')]),
        Buffer.concat([broken, other('ORDER')]),
        Buffer.concat([slots.subarray(32), other('START')]),
        Buffer.concat([mixed, other('OTHER')]),
        Buffer.concat([tooLong, other('TOOLONG')]),
        Buffer.concat([longSlots('..', 'PARENT     '), other('PARENT')]),
        Buffer.concat([longSlots('', 'EMPTY      '), other('EMPTY')]),
        Buffer.concat([longSlots('a/b\\x2f 🙂 \ud83d', 'SLASH      '), other('SLASH')]),
        Buffer.concat([longSlots('deleted', 'DEL        '), shortEntry({ raw: '\xe5EL        ' }), other('DEL')]),
        Buffer.concat([
          longSlots('label', 'LABEL      '),
          shortEntry({ raw: 'LABEL      ', attributes: 8 }),
          other('LABEL'),
        ]),
        Buffer.concat([longSlots('straße', 'STRASS~1   '), other('STRASS~1')]),
        Buffer.concat([longSlots('n'.repeat(255), 'NNN        '), other('NNN')]),
        Buffer.concat([longSlots('exactly thirt', 'THIRTEEN   '), other('THIRTEEN')]),
        // The short name of one is the long name of another.
        Buffer.concat([longSlots('first', 'SECOND     '), other('SECOND')]),
        Buffer.concat([longSlots('Second', 'SECOND~1   '), other('SECOND~1')]),
      ),
    ),
  );
  const expected = [
    'a name of forty characters in four slots',
    'CHECKSUM',
    'ORDER',
    'START',
    'another',
    'TOOLONG',
    'PARENT',
    'EMPTY',
    'a\\x2fb\\x5cx2f 🙂 \\xed\\xa0\\xbd',
    'DEL',
    'LABEL',
    'straße',
    'n'.repeat(255),
    'exactly thirt',
    'first',
    'Second',
  ];
  t.same(await namesOf(filesystem), expected);
  for (const name of expected) t.equal((await filesystem.lookup(filesystem.root, name))?.name, name);
  t.equal((await filesystem.lookup(filesystem.root, 'longna~1.txt'))?.name, expected[0], 'found by its short name');
  t.equal((await filesystem.lookup(filesystem.root, 'SECOND'))?.name, 'Second', 'a long name comes first');
  t.equal((await filesystem.lookup(filesystem.root, 'STRASS~1'))?.name, 'straße');
  t.equal(await filesystem.lookup(filesystem.root, 'strasse'), undefined);
});

t.test('contents: as long as the chain is', async (t) => {
  const bytes = floppy(
    t,
    shortEntry({ raw: 'WHOLE      ', cluster: 2, sizeBytes: 1200 }),
    shortEntry({ raw: 'SHORT      ', cluster: 10, sizeBytes: 1200 }),
    shortEntry({ raw: 'NONE       ', cluster: 0, sizeBytes: 10 }),
    shortEntry({ raw: 'EMPTY      ', cluster: 0, sizeBytes: 0 }),
    shortEntry({ raw: 'DIR        ', cluster: 20, attributes: 0x10 }),
  );
  setFat12(bytes, { 2: 3, 3: 5, 5: 0xfff, 10: 11, 11: 0xff8, 20: 0xfff });
  for (const [index, cluster] of [2, 3, 5, 10, 11].entries()) {
    bytes.fill(index + 1, FLOPPY.heapOffset + (cluster - 2) * 512, FLOPPY.heapOffset + (cluster - 1) * 512);
  }
  const wrong: string[] = [];
  const filesystem = await open(strictSource(memorySource(bytes), (what) => wrong.push(what)));
  const whole = await filesystem.open(await idOf(filesystem, 'WHOLE'));
  const content = Buffer.alloc(2000, 0xaa);
  t.equal(await whole.read(content, 0), 1200);
  const expected = Buffer.concat([
    Buffer.alloc(512, 1),
    Buffer.alloc(512, 2),
    Buffer.alloc(176, 3),
    Buffer.alloc(800, 0xaa),
  ]);
  t.same(content, expected);
  t.equal(await whole.read(content, 1100), 100);
  t.same(content.subarray(0, 100), Buffer.alloc(100, 3));
  t.equal(await whole.read(content, 1200), 0);
  const extents = [];
  for await (const extent of filesystem.extents(await idOf(filesystem, 'WHOLE'))) extents.push(extent);
  const at = FLOPPY.heapOffset;
  t.same(extents, [
    {
      kind: 'stored',
      offset: 0,
      length: 1024,
      encoded: false,
      locations: [{ volume: 'vda', offset: at, length: 1024 }],
    },
    {
      kind: 'stored',
      offset: 1024,
      length: 176,
      encoded: false,
      locations: [{ volume: 'vda', offset: at + 3 * 512, length: 176 }],
    },
  ]);
  const short = await filesystem.open(await idOf(filesystem, 'SHORT'));
  t.equal(await short.read(content.subarray(0, 1024), 0), 1024, 'what is there can be read');
  t.same(content.subarray(0, 1024), Buffer.concat([Buffer.alloc(512, 4), Buffer.alloc(512, 5)]));
  await t.rejects(async () => short.read(content, 0), { code: 'FILESYSTEM_DAMAGED', message: /for 1024 only/ });
  await t.rejects(async () => (await filesystem.open(await idOf(filesystem, 'NONE'))).read(content, 0), {
    code: 'FILESYSTEM_DAMAGED',
  });
  t.equal(await (await filesystem.open(await idOf(filesystem, 'EMPTY'))).read(content, 0), 0);
  t.equal((await filesystem.stat(await idOf(filesystem, 'WHOLE'))).blocks, 3);
  const directory = await idOf(filesystem, 'DIR');
  await t.rejects(async () => filesystem.open(directory), { code: 'FILESYSTEM_DAMAGED' });
  await t.rejects(filesystem.lookup(await idOf(filesystem, 'WHOLE'), 'a'), { code: 'FILESYSTEM_DAMAGED' });
  await t.rejects(filesystem.readlink(directory), { code: 'FILESYSTEM_DAMAGED' });
  t.same(wrong, []);
});

t.test('a directory that leads back into itself shows what is in it, then the error', async (t) => {
  const bytes = floppy(t, shortEntry({ raw: 'LOOP       ', cluster: 2, attributes: 0x10 }));
  setFat12(bytes, { 2: 3, 3: 2 });
  for (let index = 0; index < 32; index++) {
    shortEntry({ raw: `F${index}`.padEnd(11), attributes: index === 3 ? 0x10 : 0x20 }).copy(
      bytes,
      FLOPPY.heapOffset + index * 32,
    );
  }
  const filesystem = await open(memorySource(bytes));
  const loop = await idOf(filesystem, 'loop');
  const names: string[] = [];
  const list = async (): Promise<void> => {
    for await (const batch of filesystem.readDirectory(loop)) names.push(...batch.map(({ name }) => name));
  };
  await t.rejects(list(), { code: 'FILESYSTEM_DAMAGED' });
  t.equal(names.length, 32);
  t.equal((await filesystem.lookup(loop, 'f31'))?.name, 'F31');
  await t.rejects(filesystem.lookup(loop, 'f32'), { code: 'FILESYSTEM_DAMAGED' });
  t.match(await filesystem.stat(loop), { type: 'directory', nlink: 3, sizeBytes: 0 });
});

t.test('a directory has no more than 65,536 slots', async (t) => {
  const bytes = fatBytes(t, { kind: 16, sizeBytes: 8 * MIB, clusterSectors: 1, options: ['-a'] });
  const fat = bytes.readUInt16LE(14) * 512;
  const fatBytes_ = bytes.readUInt16LE(22) * 512;
  const root = fat + 2 * fatBytes_;
  const heap = root + bytes.readUInt16LE(17) * 32;
  shortEntry({ raw: 'HUGE       ', cluster: 2, attributes: 0x10 }).copy(bytes, root);
  for (let cluster = 2; cluster < 8000; cluster++) bytes.writeUInt16LE(cluster + 1, fat + cluster * 2);
  for (let slot = 0; slot < 70_000; slot++) shortEntry({ raw: `F${slot}`.padEnd(11) }).copy(bytes, heap + slot * 32);
  const filesystem = await open(memorySource(bytes));
  const huge = await idOf(filesystem, 'HUGE');
  t.equal((await filesystem.lookup(huge, 'f65535'))?.name, 'F65535');
  await t.rejects(filesystem.lookup(huge, 'f65536'), {
    code: 'FILESYSTEM_DAMAGED',
    message: /more than 65536 entries/,
  });
});
