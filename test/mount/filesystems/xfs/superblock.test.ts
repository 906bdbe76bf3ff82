import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import t from 'tap';
import { stampChecksum } from '../../../../mount/filesystems/xfs/checksum.js';
import type { JournalState } from '../../../../mount/filesystems/filesystem.js';
import { xfsDriver } from '../../../../mount/filesystems/xfs/driver.js';
import { parseSuperblock } from '../../../../mount/filesystems/xfs/superblock.js';
import { patchedSource } from '../../../kit/filesystems/fuzz.js';
import { fileSource, memorySource } from '../../../kit/filesystems/sources.js';
import { openXfs, xfsDb, xfsImage } from '../../../kit/filesystems/xfs-image.js';

const image = xfsImage(t, { sizeMib: 64, mkfs: ['-L', 'a label', '-m', 'uuid=01234567-89ab-cdef-0123-456789abcdef'] });
const bytes = readFileSync(image);
const old = readFileSync(xfsImage(t, { sizeMib: 64, mkfs: ['-m', 'crc=0'] }));

/** The superblock with some bytes changed, and the checksum right. */
function changed(change: (sector: Buffer) => void, base: Buffer = bytes): Buffer {
  const sector = Buffer.from(base.subarray(0, 512));
  change(sector);
  stampChecksum(sector, 224);
  return sector;
}

t.test('says what xfs_db says', async (t) => {
  const superblock = parseSuperblock(bytes.subarray(0, 512));
  const fields = new Map(
    xfsDb(image, 'sb 0', 'p')
      .split('\n')
      .map((line) => line.split(' = ') as [string, string]),
  );
  const says = (name: string): number => Number(fields.get(name));
  t.equal(superblock.dataBlocks, says('dblocks'));
  t.equal(superblock.agBlocks, says('agblocks'));
  t.equal(superblock.agCount, says('agcount'));
  t.equal(superblock.logStart, says('logstart'));
  t.equal(superblock.logBlocks, says('logblocks'));
  t.equal(superblock.rootInode, says('rootino'));
  t.equal(superblock.freeBlocks, says('fdblocks'));
  t.equal(superblock.inodes, says('icount'));
  t.equal(superblock.freeInodes, says('ifree'));
  const filesystem = await openXfs(memorySource(bytes));
  t.equal(filesystem.label, 'a label');
  t.equal(filesystem.uuid, '01234567-89ab-cdef-0123-456789abcdef');
  t.same(filesystem.journal, { state: 'clean' });
  t.same(filesystem.problems, []);
});

t.test('is known by its magic number', async (t) => {
  t.equal(await xfsDriver.matches(memorySource(bytes)), true);
  t.equal(await xfsDriver.matches(memorySource(Buffer.alloc(4096))), false);
  t.equal(await xfsDriver.matches(memorySource(Buffer.from('XF'))), false);
});

t.test('features that cannot be read are refused by name', async (t) => {
  const refused = async (base: Buffer, change: (sector: Buffer) => void, message: RegExp): Promise<void> => {
    const source = patchedSource(base, [{ offset: 0, bytes: changed(change, base) }]);
    await t.rejects(openXfs(source), { code: 'FILESYSTEM_UNREADABLE', message, hint: /./ });
  };
  await refused(bytes, (sector) => sector.writeUInt32BE(0x13, 216), /needsrepair/);
  await refused(bytes, (sector) => sector.writeUInt32BE(0x703, 216), /metadir, zoned, zone-gaps/);
  await refused(bytes, (sector) => sector.writeUInt32BE(0xc0000003, 216), /0x40000000, 0x80000000/);
  await refused(bytes, (sector) => sector.writeUInt8(1, 126), /never finished/);
  await refused(old, (sector) => sector.writeUInt16BE(0x1003, 100), /before 2001/);
  await refused(old, (sector) => sector.writeUInt16BE(0x0004, 100), /before 2001/);
  await refused(old, (sector) => sector.writeUInt32BE(0x1000, 200), /version 4 features/);
  await refused(old, (sector) => sector.writeUInt16BE(sector.readUInt16BE(100) | 0x200, 100), /version 4 features/);
});

t.test('features that change nothing for reading are accepted', async (t) => {
  const source = patchedSource(bytes, [
    { offset: 0, bytes: changed((sector) => sector.writeUInt32BE(sector.readUInt32BE(216) | 0xc0, 216)) },
  ]);
  t.equal((await openXfs(source)).type, 'xfs');
});

t.test('sizes that do not fit together are damage', async (t) => {
  const changes: readonly ((sector: Buffer) => void)[] = [
    (sector) => sector.writeUInt32BE(4095, 4),
    (sector) => sector.writeUInt16BE(300, 104),
    (sector) => sector.writeUInt32BE(3, 84),
    (sector) => sector.writeUInt32BE(0xffffffff, 84),
    (sector) => sector.writeUInt32BE(2, 88),
    (sector) => sector.writeBigUInt64BE(2n ** 60n, 8),
    (sector) => sector.writeBigUInt64BE(2n ** 50n, 8),
    (sector) => sector.writeUInt8(9, 192),
    (sector) => sector.writeBigUInt64BE(2n ** 63n, 56),
  ];
  for (const change of changes) t.throws(() => parseSuperblock(changed(change)), { code: 'FILESYSTEM_DAMAGED' });
  t.throws(() => parseSuperblock(Buffer.alloc(512)), { code: 'FILESYSTEM_DAMAGED' });
  t.throws(() => parseSuperblock(bytes.subarray(0, 300)), { code: 'FILESYSTEM_DAMAGED' });
  const huge = Buffer.from(bytes.subarray(0, 512));
  huge.writeUInt16BE(32_768, 102);
  t.throws(() => parseSuperblock(huge), { code: 'FILESYSTEM_DAMAGED' });
});

t.test('a copy stands in for a damaged superblock', async (t) => {
  const whole = await openXfs(memorySource(bytes));
  const damages = [
    { offset: 40, bytes: Buffer.of(0xff) },
    { offset: 4, bytes: Buffer.alloc(508) },
  ];
  for (const damage of damages) {
    const filesystem = await openXfs(patchedSource(bytes, [damage]));
    t.equal(filesystem.uuid, whole.uuid);
    t.same(filesystem.problems, ['the superblock is damaged: a copy of it is used']);
    t.same(await filesystem.usage(), await whole.usage(), 'counted in the allocation groups');
    t.equal((await filesystem.stat(filesystem.root)).type, 'directory');
  }
});

t.test('without any copy it is damage', async (t) => {
  const zeros = Buffer.from(bytes);
  for (let at = 4; at < zeros.length; at += zeros.length / 4) zeros.fill(0, at, at + 508);
  await t.rejects(openXfs(memorySource(zeros)), { code: 'FILESYSTEM_DAMAGED' });
  await t.rejects(openXfs(memorySource(Buffer.from('XFSB'))), { code: 'FILESYSTEM_DAMAGED' });
});

t.test('a volume that was cut off is said to be', async (t) => {
  const filesystem = await openXfs(memorySource(bytes.subarray(0, bytes.length - 4096)));
  t.match(filesystem.problems, ['the volume ends before the file system does']);
});

t.test('what is on other devices is said', async (t) => {
  const elsewhere = changed((sector) => {
    sector.writeBigUInt64BE(0n, 48);
    sector.writeBigUInt64BE(5n, 16);
  });
  const filesystem = await openXfs(patchedSource(bytes, [{ offset: 0, bytes: elsewhere }]));
  t.same(filesystem.journal, { state: 'ignored', reason: 'the log is on another device' });
  t.match(filesystem.problems, [/realtime device/, /another device/]);
  const strange = changed((sector) => sector.writeUInt32BE(0x10, 220));
  const ignored = await openXfs(patchedSource(bytes, [{ offset: 0, bytes: strange }]));
  t.match(ignored.journal, { state: 'ignored', reason: /0x10/ });
});

t.test('a log that is larger than XFS allows is left alone', async (t) => {
  // A sparse file; the groups must be larger than the log.
  const large = xfsImage(t, { sizeMib: 8192, mkfs: ['-d', 'agcount=2'] });
  const file = openSync(large, 'r+');
  const first = Buffer.alloc(512);
  readSync(file, first, 0, first.length, 0);
  const journalWith = async (logBytes: number): Promise<JournalState> => {
    const sector = changed((bytes) => bytes.writeUInt32BE(logBytes / 4096, 96), first);
    writeSync(file, sector, 0, sector.length, 0);
    return (await openXfs(fileSource(t, large))).journal;
  };
  const MIB = 2 ** 20;
  t.same(await journalWith(2038 * MIB), { state: 'clean' });
  t.match(await journalWith(2039 * MIB), { state: 'ignored', reason: /2138046464 bytes/ });
  closeSync(file);
});
