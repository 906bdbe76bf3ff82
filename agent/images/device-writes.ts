import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes and sectors of them, discards and sectors of them, in the line that the kernel says of a device. */
const WRITE_FIELDS = [4, 6, 11, 13] as const;

/**
 * What the kernel counted of writes to a block device, of a partition those to its whole disk: the same twice, and nobody on this
 * machine wrote in between. Undefined while a write is under way, and where not all writes are counted: only devices with the
 * kernel's request queues count all of them.
 * @param device - `MAJOR:MINOR`
 */
export async function deviceWrites(device: string, sysfs = '/sys'): Promise<string | undefined> {
  const own = join(sysfs, 'dev', 'block', device);
  // Writes through the disk are not counted as the partition's.
  const disk = (await isThere(join(own, 'partition'))) ? `${own}/..` : own;
  if (!(await isThere(`${disk}/mq`)) || (await wordsOf(`${disk}/queue/iostats`))[0] !== '1') return undefined;
  // First: a write that begins later comes after all that was read.
  const [, writing] = await wordsOf(`${disk}/inflight`);
  const counters = await wordsOf(`${disk}/stat`);
  const values = WRITE_FIELDS.map((field) => counters[field]);
  if (writing !== '0' || values[0] === undefined) return undefined;
  return values.join(' ');
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

/** None of a device that is gone. */
async function wordsOf(path: string): Promise<readonly string[]> {
  return (await readFile(path, 'utf8').catch(() => '')).trim().split(/\s+/);
}
