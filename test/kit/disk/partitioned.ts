import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { temporaryDirectory } from '../temporary.js';

/** What `sfdisk --json` says of a disk. */
export interface SfdiskTable {
  readonly label: string;
  readonly id: string;
  readonly unit: string;
  readonly sectorsize?: number;
  readonly partitions?: readonly SfdiskPartition[];
}

export interface SfdiskPartition {
  readonly node: string;
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly uuid?: string;
  readonly name?: string;
}

/** A sparse file of that size in a temporary directory. */
export function sparseFile(t: Test, sizeBytes: number, name = 'vda.raw'): string {
  const path = join(temporaryDirectory(t), name);
  const fd = openSync(path, 'wx');
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);
  return path;
}

/** Write a partition table by a script of sfdisk (see sfdisk(8), "Script header lines"). */
export function sfdisk(disk: string, script: string): void {
  execFileSync('sfdisk', ['--no-reread', '--no-tell-kernel', '--force', '--quiet', disk], { input: script });
}

/** The partition table as sfdisk reads it. */
export function sfdiskJson(disk: string): SfdiskTable {
  const text = execFileSync('sfdisk', ['--json', disk], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return (JSON.parse(text) as { partitiontable: SfdiskTable }).partitiontable;
}

/** A loop device with sectors of 4096 bytes over a file; it goes when the test ends. Needs root. */
export function largeSectorDevice(t: Test, file: string): string {
  const arguments_ = ['--find', '--show', '--sector-size', '4096', file];
  const device = execFileSync('losetup', arguments_, { encoding: 'utf8' }).trim();
  t.teardown(() => {
    execFileSync('losetup', ['--detach', device]);
  });
  return device;
}
