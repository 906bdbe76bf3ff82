import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
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
    run('btrfs', 'device', 'scan', '--forget');
  });
  const volumes = [a, b, other].map((path, index) => ({ name: ['vda', 'vdb', 'vdc'][index] ?? '', path }));
  t.same(await contents(t, volumes), { vda: 'btrfs both', vdb: 'nothing', vdc: 'btrfs alone' });
});
