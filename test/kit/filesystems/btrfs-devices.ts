import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { loopDevice } from '../loop-device.js';
import { temporaryDirectory } from '../temporary.js';
import { bash, MIB } from './btrfs-image.js';
import { directoryManifest, type Manifest } from './manifest.js';

export interface BtrfsDevicesOptions {
  readonly count: number;
  readonly sizeBytes?: number;
  readonly mkfs: readonly string[];
  readonly mount?: readonly string[];
  readonly fill: string;
}

/** Images of the devices of one file system, and what the kernel shows of it. */
export interface BtrfsDevices {
  readonly images: readonly string[];
  readonly manifest: Manifest;
}

/** Make a file system of several devices, fill it, and let the kernel forget it. */
export function btrfsDevices(t: Test, options: BtrfsDevicesOptions): BtrfsDevices {
  const { count, sizeBytes = 200 * MIB, mkfs, mount = [], fill } = options;
  const directory = temporaryDirectory(t);
  const images = Array.from({ length: count }, (_, index) => join(directory, `device-${index}.img`));
  for (const image of images) {
    writeFileSync(image, '');
    truncateSync(image, sizeBytes);
  }
  const devices = images.map((image) => loopDevice(t, image));
  execFileSync('mkfs.btrfs', ['-q', ...mkfs, ...devices], { stdio: ['ignore', 'ignore', 'pipe'] });
  let manifest: Manifest = new Map();
  mounted(devices, mount, (top) => bash(fill, top));
  mounted(devices, ['ro', 'subvolid=5', 'noatime'], (top) => {
    manifest = directoryManifest(top);
  });
  return { images, manifest };
}

function mounted(devices: readonly string[], options: readonly string[], work: (top: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'umbra-loop-'));
  const [first = ''] = devices;
  try {
    execFileSync('btrfs', ['device', 'scan', ...devices], { stdio: 'ignore' });
    execFileSync('mount', ['-t', 'btrfs', '-o', ['rw', ...options].join(','), first, directory]);
    try {
      work(directory);
    } finally {
      execFileSync('umount', [directory]);
    }
  } finally {
    for (const device of devices) execFileSync('btrfs', ['device', 'scan', '--forget', device], { stdio: 'ignore' });
    rmdirSync(directory);
  }
}
