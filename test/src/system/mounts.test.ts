import t from 'tap';
import { parseMountInfo, readMounts } from '../../../src/system/mounts.js';

t.test('a line with optional fields, and one without', (t) => {
  const text = [
    '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue',
    '42 27 0:39 / /home/a\\040b ro,nosuid,nodev - fuse.umbra umbra ro,user_id=1000,group_id=1000',
    '',
  ].join('\n');
  t.strictSame(parseMountInfo(text), [
    {
      id: 36,
      device: '98:0',
      root: '/mnt1',
      mountPoint: '/mnt2',
      type: 'ext3',
      source: '/dev/root',
      superOptions: ['rw', 'errors=continue'],
    },
    {
      id: 42,
      device: '0:39',
      root: '/',
      mountPoint: '/home/a b',
      type: 'fuse.umbra',
      source: 'umbra',
      superOptions: ['ro', 'user_id=1000', 'group_id=1000'],
    },
  ]);
  t.end();
});

t.test('names are given as they are', (t) => {
  const [entry] = parseMountInfo('1 2 0:1 / /a\\134040\\011\\012\\040-\\040ü rw - tmpfs none rw');
  t.equal(entry?.mountPoint, '/a\\040\t\n - ü');
  t.end();
});

t.test('lines that are not of the form are left out', (t) => {
  t.strictSame(parseMountInfo('nonsense\n1 2 0:1 / /a rw tmpfs none rw\n1 2 0:1 / /a rw -\n'), []);
  t.end();
});

t.test("this machine's mounts", async (t) => {
  t.ok((await readMounts()).some((entry) => entry.mountPoint === '/proc' && entry.type === 'proc' && entry.id > 0));
});
