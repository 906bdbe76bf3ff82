import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BlockCache } from '../../../mount/blocks/block-cache.js';
import { findDevices } from '../../../mount/files/find-devices.js';
import type { GuestContent } from '../../../mount/files/guest-device.js';
import { fileSource } from '../../kit/filesystems/sources.js';
import { loopDevice } from '../../kit/loop-device.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

function newFile(directory: string, name: string, sizeBytes: number): string {
  const path = join(directory, name);
  writeFileSync(path, '');
  truncateSync(path, sizeBytes);
  return path;
}

function run(program: string, ...options: string[]): void {
  execFileSync(program, options, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** What the devices of some volumes hold, in short. */
async function contents(t: Test, volumes: readonly { name: string; path: string }[]): Promise<Record<string, string>> {
  const devices = await findDevices(volumes.map(({ name, path }) => ({ name, source: fileSource(t, path, name) })));
  const cache = new BlockCache(MIB);
  const found: Record<string, string> = {};
  for (const device of devices) found[device.name] = inShort(await device.open(cache));
  return found;
}

function inShort(content: GuestContent): string {
  if ('filesystem' in content) return `${content.filesystem.type} ${content.filesystem.label}`;
  return 'unreadable' in content ? content.unreadable.text : 'nothing';
}

t.test('every file system has its driver, and what has none a text', async (t) => {
  const directory = temporaryDirectory(t);
  const make: Readonly<Record<string, (path: string) => void>> = {
    ext4: (path) => {
      run('mke2fs', '-q', '-t', 'ext4', '-L', 'one', path);
    },
    xfs: (path) => {
      run('mkfs.xfs', '-q', '-L', 'two', path);
    },
    ntfs: (path) => {
      run('mkntfs', '-q', '-F', '-f', '-L', 'three', path);
    },
    vfat: (path) => {
      run('mkfs.vfat', '-n', 'FOUR', path);
    },
    exfat: (path) => {
      run('mkfs.exfat', '-L', 'five', path);
    },
    btrfs: (path) => {
      run('mkfs.btrfs', '-q', '-L', 'six', path);
    },
    swap: (path) => {
      run('mkswap', '-L', 'seven', path);
    },
  };
  const volumes = Object.entries(make).map(([name, fill]) => {
    const path = newFile(directory, name, (name === 'xfs' ? 320 : 128) * MIB);
    fill(path);
    return { name, path };
  });
  const { swap, ...filesystems } = await contents(t, volumes);
  t.same(filesystems, {
    ext4: 'ext4 one',
    xfs: 'xfs two',
    ntfs: 'ntfs three',
    vfat: 'vfat FOUR',
    exfat: 'exfat five',
    btrfs: 'btrfs six',
  });
  t.match(swap, /swap/);
});

t.test('a file system on two volumes is shown once', async (t) => {
  const directory = temporaryDirectory(t);
  const [a, b, other] = ['vda', 'vdb', 'vdc'].map((name) => newFile(directory, name, 256 * MIB)) as [
    string,
    string,
    string,
  ];
  const devices = [a, b].map((path) => loopDevice(t, path));
  run('mkfs.btrfs', '-q', '-L', 'both', '-d', 'raid0', '-m', 'raid1', ...devices);
  run('mkfs.btrfs', '-q', '-L', 'alone', other);
  t.teardown(() => {
    // By name: the devices of a file system that another test is about to mount are to stay known.
    for (const device of devices) run('btrfs', 'device', 'scan', '--forget', device);
  });
  const volumes = [a, b, other].map((path, index) => ({ name: ['vda', 'vdb', 'vdc'][index] ?? '', path }));
  t.same(await contents(t, volumes), { vda: 'btrfs both', vdb: 'nothing', vdc: 'btrfs alone' });
});

/** What a volume of these bytes holds. */
async function contentOf(t: Test, bytes: Buffer): Promise<string | undefined> {
  const path = join(temporaryDirectory(t), 'vda');
  writeFileSync(path, bytes);
  return (await contents(t, [{ name: 'vda', path }]))['vda'];
}

/** The bytes of a volume on which a program made a file system. */
function made(t: Test, sizeBytes: number, program: string, ...options: string[]): Buffer {
  const path = newFile(temporaryDirectory(t), 'vda', sizeBytes);
  run(program, ...options, path);
  return readFileSync(path);
}

t.test('BitLocker, however much it looks like something else', async (t) => {
  const toGo = made(t, 64 * MIB, 'mkfs.vfat', '-F', '32');
  t.match(await contentOf(t, toGo), /^vfat/);
  Buffer.from('3bd66749292ed84a8399f6a339e3d001', 'hex').copy(toGo, 424);
  t.match(await contentOf(t, toGo), /^vfat/, 'these bytes alone may be code');
  toGo.write('MSWIN4.1', 3);
  t.match(await contentOf(t, toGo), /^vda: an encrypted removable Windows volume \(BitLocker To Go\)/);
  // While a volume is being encrypted the copy of the boot sector at its end stands there as it was.
  const ntfs = made(t, 16 * MIB, 'mkntfs', '-q', '-F', '-f');
  ntfs.write('-FVE-FS-', 3);
  t.match(await contentOf(t, ntfs), /^vda: an encrypted Windows volume \(BitLocker\)/);
});

t.test('copies of what a file system is known by count where nothing else is found', async (t) => {
  const ntfs = made(t, 16 * MIB, 'mkntfs', '-q', '-F', '-f', '-L', 'old');
  const luks = Buffer.from(ntfs);
  luks.write('LUKS\xba\xbe', 0, 'latin1');
  t.match(await contentOf(t, luks), /^vda: an encrypted volume \(LUKS\)/);
  const fat = made(t, 16 * MIB, 'mkfs.vfat', '-n', 'NEW');
  ntfs.subarray(-512).copy(fat, fat.length - 512);
  t.equal(await contentOf(t, fat), 'vfat NEW');
  t.equal(await contentOf(t, ntfs.fill(0, 0, 512)), 'ntfs old');
  const exfat = made(t, 16 * MIB, 'mkfs.exfat', '-L', 'two');
  t.equal(await contentOf(t, exfat.fill(0, 0, 512)), 'exfat two');
  const ext = made(t, 16 * MIB, 'mke2fs', '-q', '-b', '1024', '-L', 'three');
  t.equal(await contentOf(t, ext.fill(0, 1024, 2048)), 'ext2 three');
  const xfs = made(t, 320 * MIB, 'mkfs.xfs', '-q', '-L', 'four');
  t.equal(await contentOf(t, xfs.fill(0, 0, 512)), 'xfs four');
  t.match(await contentOf(t, xfs.fill(0, 0, 8 * MIB)), /^vda: empty/, 'without its root directory');
  ext.fill(0, 2048, 8 * MIB);
  t.match(await contentOf(t, ext), /^vda: empty/, 'remains that can not be opened');
});

/** What is looked at of a volume first. */
function marked(offset: number, mark: string): Buffer {
  const bytes = Buffer.alloc(MIB);
  bytes.write(mark, offset, 'latin1');
  return bytes;
}

t.test('what holds no files, what is not read and what is damaged are told apart', async (t) => {
  const causeOf = async (bytes: Buffer): Promise<string> => {
    const path = join(temporaryDirectory(t), 'vda');
    writeFileSync(path, bytes);
    const [device] = await findDevices([{ name: 'vda', source: fileSource(t, path, 'vda') }]);
    const content = await device?.open(new BlockCache(MIB));
    return content !== undefined && 'unreadable' in content ? content.unreadable.cause : 'none';
  };
  t.equal(await causeOf(marked(4086, 'SWAPSPACE2')), 'no-files');
  t.equal(await causeOf(Buffer.alloc(MIB)), 'no-files');
  t.equal(await causeOf(marked(0, 'LUKS\xba\xbe')), 'not-read');
  t.equal(await causeOf(Buffer.alloc(MIB, 'x')), 'not-read');
  const table = made(t, 16 * MIB, 'sh', '-c', 'echo "label: gpt\nstart=2048" | sfdisk -q "$0"');
  table.fill(0, 512, 1024).fill(0, table.length - 512);
  t.equal(await causeOf(table), 'damaged');
});
