import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

t.test('the file systems of a machine', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout } = await runUmbra(['ls', 'web1'], store);
  t.equal(code, 0);
  t.match(stdout, /^PATH +TYPE +LABEL +SIZE +USED +JOURNAL\n\/vda1 +ext4 +root +1.00 GiB +1.00 MiB +replayed\n/);
  t.match(stdout, '/vda2: it is encrypted (LUKS)\n');
  t.match(stdout, '/vda1: the backup superblock differs\n');
  t.match(await runUmbra(['ls', 'empty'], store), { stdout: /No file system was found in the volumes of empty@/ });
  t.match(JSON.parse((await runUmbra(['ls', 'web1', '--json'], store)).stdout), {
    entries: [],
    filesystems: [{ name: 'vda1' }, { name: 'vda2' }],
  });
});

t.test('a directory, safe for a terminal', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['ls', 'web1:/vda1/etc'], store), { code: 0, stdout: 'esc\\x1b\nsub/\n' });
  const { stdout } = await runUmbra(['ls', '-l', 'bad:/vda1/etc'], store);
  t.match(stdout, /^-rw-r--r-- 1 1000 100 5 2026-11-2\d \d\d:\d\d:00 esc\\x1b\n/);
  t.match(stdout, /\?--------- \? +\? +\? +\? broken \(inode 5 is damaged\)\n$/);
  t.match(await runUmbra(['ls', 'bad:/vda1/etc'], store), { code: 5 });
});

t.test('JSON is one document, also when it breaks off', async (t) => {
  const { store } = await startFakeServer(t);
  const { stdout } = await runUmbra(['ls', '-l', 'web1:/vda1', '--json'], store);
  t.match(JSON.parse(stdout), {
    entries: [{ name: 'esc\x1b', stat: { mtime: '2026-11-22T10:15:00.123456789Z' } }, { name: 'sub' }],
    machine: 'web1',
    isDirectory: true,
  });
  const broken = await runUmbra(['ls', 'breaks:/vda1', '--json'], store);
  t.equal(broken.code, 5);
  t.match(JSON.parse(broken.stdout), { entries: [{}], error: { code: 'STORE_DAMAGED' } });
  t.match(broken.stderr, 'umbra: chunk c0ffee is damaged\n');
  const wrong = await runUmbra(['ls', '/vda1', '--json'], store);
  t.equal(wrong.code, 2);
  t.match(JSON.parse(wrong.stdout), { error: { code: 'BAD_ARGUMENT', message: /of which machine/ } });
});
