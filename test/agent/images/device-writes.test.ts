import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { deviceWrites } from '../../../agent/images/device-writes.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const STAT = '10 0 80 5  20 0 160 7  0 9 12  3 0 24 1\n';

t.test('what the kernel counted', async (t) => {
  const sysfs = temporaryDirectory(t);
  const disk = join(sysfs, 'dev', 'block', '8:0');
  for (const name of ['mq', 'queue', 'partition-1']) mkdirSync(join(disk, name), { recursive: true });
  writeFileSync(join(disk, 'queue', 'iostats'), '1\n');
  writeFileSync(join(disk, 'inflight'), '       5        0\n');
  writeFileSync(join(disk, 'stat'), STAT);
  t.equal(await deviceWrites('8:0', sysfs), '20 160 3 24', 'reads do not count');
  writeFileSync(join(disk, 'inflight'), '0 1\n');
  t.equal(await deviceWrites('8:0', sysfs), undefined, 'a write is under way');
  writeFileSync(join(disk, 'inflight'), '0 0\n');
  writeFileSync(join(disk, 'queue', 'iostats'), '0\n');
  t.equal(await deviceWrites('8:0', sysfs), undefined, 'nobody counts');
  writeFileSync(join(disk, 'queue', 'iostats'), '1\n');
  rmSync(join(disk, 'mq'), { recursive: true });
  t.equal(await deviceWrites('8:0', sysfs), undefined, 'not all are counted');
  t.equal(await deviceWrites('8:1', sysfs), undefined, 'it is gone');
});

t.test('a partition has the writes of its disk', async (t) => {
  const sysfs = temporaryDirectory(t);
  // The kernel links dev/block/8:1 to a directory inside the disk's.
  const partition = join(sysfs, 'dev', 'block', '8:1');
  for (const name of ['8:1', 'mq', 'queue']) mkdirSync(join(sysfs, 'dev', 'block', name), { recursive: true });
  writeFileSync(join(partition, 'partition'), '1\n');
  const files = { 'queue/iostats': '1\n', inflight: '0 0\n', stat: STAT };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(partition, '..', name), text);
  t.equal(await deviceWrites('8:1', sysfs), '20 160 3 24');
});
