import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

t.test('adds, lists, prints and removes', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['share', 'list'], store), { code: 0, stdout: /^Nothing is shared/ });
  const added = await runUmbra(['share', 'add', 'data', 'web1:/vda1/srv/data'], store);
  t.match(added, {
    code: 0,
    stdout: 'data is web1:/vda1/srv/data; "umbra share smb-conf data" prints Samba\'s section\n',
  });
  t.match(JSON.parse((await runUmbra(['share', 'add', 'docs', 'web1:vda1/docs', '--json'], store)).stdout), {
    name: 'docs',
    machine: 'web1',
    path: 'vda1/docs',
  });
  t.match(await runUmbra(['share', 'list'], store), { stdout: /SHARE +DIRECTORY\ndata +web1:\/vda1\/srv\/data\ndocs/ });
  const one = await runUmbra(['share', 'smb-conf', 'DATA', '--mount', '/mnt/u'], store);
  t.match(one, { code: 0, stdout: /^\[data\]\n/ });
  t.match(one.stdout, '  path = /mnt/u/.shares/data/live\n');
  t.match(one.stdout, '  shadow:snapdir = /mnt/u/.shares/data/.snapshots\n');
  const all = await runUmbra(['share', 'smb-conf', '--all', '--mount', '/', '--json'], store);
  t.match(JSON.parse(all.stdout), [
    { name: 'data', section: /path = \/\.shares\/data\/live/ },
    { name: 'docs', section: /^\[docs\]/ },
  ]);
  t.match(await runUmbra(['share', 'smb-conf', 'data'], store), { code: 2, stderr: /are not mounted/ });
  t.match(await runUmbra(['share', 'remove', 'data'], store), {
    code: 0,
    stdout: 'data (web1:/vda1/srv/data) is no longer shared\n',
  });
  t.match(await runUmbra(['share', 'smb-conf', 'data', '--mount', '/m'], store), {
    code: 3,
    stderr: /no share "data"/,
  });
});

t.test('a directory that is not there is shared with --force', async (t) => {
  const { store } = await startFakeServer(t);
  const commandLine = ['share', 'add', 'none', 'web1:/vda1/none'];
  t.match(await runUmbra(commandLine, store), { code: 3, stderr: /no \/vda1\/none/ });
  t.match(await runUmbra([...commandLine, '--force'], store), { code: 0 });
});

t.test('what makes no sense is refused', async (t) => {
  const { store } = await startFakeServer(t);
  for (const commandLine of [
    ['share'],
    ['share', 'nonsense'],
    ['share', 'add', 'data'],
    ['share', 'add', 'a b', 'web1:/x'],
    ['share', 'add', 'data', 'web1'],
    ['share', 'add', 'data', 'web1:/x', '--all'],
    ['share', 'list', 'data'],
    ['share', 'list', 'data', 'web1:/x'],
    ['share', 'list', '--mount', '/m'],
    ['share', 'list', '--force'],
    ['share', 'remove', 'data', '--force'],
    ['share', 'smb-conf', 'data', '--mount', '/m', '--force'],
    ['share', 'remove'],
    ['share', 'smb-conf'],
    ['share', 'smb-conf', 'data', '--all'],
  ]) {
    t.match(await runUmbra(commandLine, store), { code: 2 }, commandLine.join(' '));
  }
});

t.test('where it is mounted is found out', async (t) => {
  const { store } = await startFakeServer(t);
  await runUmbra(['share', 'add', 'data', 'web1:/vda1'], store);
  const mountPoint = temporaryDirectory(t);
  await runUmbra(['mount', mountPoint, '--background'], store);
  const { stdout } = await runUmbra(['share', 'smb-conf', 'data'], store);
  t.match(stdout, `path = ${mountPoint}/.shares/data/live`);
});
