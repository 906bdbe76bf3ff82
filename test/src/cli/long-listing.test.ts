import t from 'tap';
import { longListing, modeString, shortTime } from '../../../src/cli/long-listing.js';
import { FAKE_STAT } from '../../kit/fake-files.js';

t.test('modes', async (t) => {
  const cases: [Parameters<typeof modeString>[0]['type'], number, string][] = [
    ['file', 0o644, '-rw-r--r--'],
    ['directory', 0o1777, 'drwxrwxrwt'],
    ['file', 0o4755, '-rwsr-xr-x'],
    ['file', 0o6644, '-rwSr-Sr--'],
    ['directory', 0o3770, 'drwxrws--T'],
    ['symlink', 0o777, 'lrwxrwxrwx'],
    ['character-device', 0o600, 'crw-------'],
    ['block-device', 0, 'b---------'],
    ['fifo', 0o421, 'pr---w---x'],
    ['socket', 0o100, 's--x------'],
  ];
  for (const [type, permissions, text] of cases) t.equal(modeString({ type, permissions }), text);
});

t.test('columns, devices and links', async (t) => {
  const text = longListing([
    { name: 'a', stat: { ...FAKE_STAT, sizeBytes: 12345 } },
    { name: 'null', stat: { ...FAKE_STAT, type: 'character-device', device: { major: 1, minor: 3 } } },
    { name: 'l', stat: { ...FAKE_STAT, type: 'symlink', target: 't\x1b' } },
    { name: 'x' },
  ]);
  const lines = text.split('\n');
  t.match(lines[0], /^-rw-r--r-- 1 1000 100 12345 /);
  t.match(lines[1], /^crw-r--r-- 1 1000 100 {3}1,3 /);
  t.match(lines[2], / l -> t\\x1b$/);
  t.match(lines[3], / x \(unreadable\)$/);
  t.equal(longListing([]), '');
});

t.test('times that make no sense are shown as they are', async (t) => {
  t.equal(shortTime('never'), 'never');
  t.match(shortTime('-002000-01-01T12:00:00.000000000Z'), /^-2000-01-01/);
});
