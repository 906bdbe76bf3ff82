import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { deviceNumbers } from './device-numbers.js';
import { readMounts } from './mounts.js';

/** `MAJOR:MINOR` of a device number as `stat` gives it (`rdev`). */
export function deviceName(rdev: bigint): string {
  const { major, minor } = deviceNumbers(rdev);
  return `${major}:${minor}`;
}

/**
 * Why the kernel has a block device claimed, in words: `mounted at /srv`, `part of dm-0`; undefined
 * if nothing can be seen. Partitions count for their disk.
 */
export async function blockDeviceUse(rdev: bigint): Promise<string | undefined> {
  const devices = [deviceName(rdev), ...(await partitionsOf(deviceName(rdev)))];
  const mount = (await readMounts()).find((entry) => devices.includes(entry.device));
  if (mount) return `mounted at ${mount.mountPoint}`;
  const holders = (await Promise.all(devices.map(holdersOf))).flat();
  return holders.length > 0 ? `part of ${holders.join(', ')}` : undefined;
}

/** Loop devices through which the file at `realPath` can be written, as `/dev/loop0`. */
export async function writableLoopDevices(realPath: string): Promise<readonly string[]> {
  const names = (await namesIn('/sys/block')).filter((name) => name.startsWith('loop'));
  const found = await Promise.all(
    names.map(async (name) => {
      const backing = await firstLine(`/sys/block/${name}/loop/backing_file`);
      const readOnly = await firstLine(`/sys/block/${name}/ro`);
      return backing === realPath && readOnly === '0' ? [`/dev/${name}`] : [];
    }),
  );
  return found.flat();
}

async function partitionsOf(device: string): Promise<string[]> {
  const directory = `/sys/dev/block/${device}`;
  const entries = await namesIn(directory);
  const partitions = await Promise.all(
    entries.map(async (entry) => {
      const isPartition = (await firstLine(`${directory}/${entry}/partition`)) !== undefined;
      return isPartition ? await firstLine(`${directory}/${entry}/dev`) : undefined;
    }),
  );
  return partitions.filter((partition) => partition !== undefined);
}

async function holdersOf(device: string): Promise<string[]> {
  return (await namesIn(`/sys/dev/block/${device}/holders`)).map((holder) => basename(holder));
}

async function namesIn(directory: string): Promise<string[]> {
  return await readdir(directory).catch(() => []);
}

async function firstLine(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text?.split('\n')[0];
}
