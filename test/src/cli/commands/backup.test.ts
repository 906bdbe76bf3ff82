import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('makes a shadow copy', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout, stderr } = await runUmbra(['backup', 'web1', 'a.raw', '--name', 'data=b.raw'], store);
  t.equal(code, 0);
  t.equal(stderr, '');
  t.match(stdout, /^web1@2026-11-22T10-15-00Z made in 1.5 s\nVOLUME .*\nvda .*1,234.*\ndata /);
});

void t.test('JSON is the result as it is', async (t) => {
  const { store } = await startFakeServer(t);
  const { stdout } = await runUmbra(['backup', 'web1', '--name', 'vda=b.raw', '--config', 'x.xml', '--json'], store);
  t.match(JSON.parse(stdout), {
    machine: 'web1',
    shadowCopy: '2026-11-22T10-15-00Z',
    volumes: [
      {
        name: 'vda',
        sizeBytes: Number,
        dataBytes: Number,
        changedBytes: Number,
        newChunks: 1234,
        newBytes: Number,
        storedBytes: Number,
      },
    ],
    seconds: 1.5,
  });
});

void t.test('mistakes are usage errors', async (t) => {
  for (const line of [['backup'], ['backup', 'a/b', 'x'], ['backup', 'web1', 'a', '--format', 'zip']]) {
    t.match(await runUmbra(line, '/nowhere'), { code: 2, stdout: '' }, line.join(' '));
  }
});

void t.test('without images it is its agent that is asked', async (t) => {
  const { code, stdout, stderr } = await runUmbra(['backup', 'web1'], '/nowhere');
  t.equal(code, 3);
  t.equal(stdout, '');
  t.match(stderr, /there is no store at \/nowhere\nName its disk images: umbra backup web1 IMAGE/);
  t.match(await runUmbra(['backup', 'web1', '--reread'], '/nowhere'), { code: 2, stderr: /no disk image is given/ });
});

void t.test('a bar shows on a terminal', async (t) => {
  const { store } = await startFakeServer(t);
  let text = '';
  const stderr = { write: (more: string) => (text += more), terminalColumns: () => 80, terminalRows: () => 24 };
  await runUmbra(['backup', 'web1', 'a.raw'], store, { stderr });
  t.match(text, /reading web1 {2}\[/);
  text = '';
  await runUmbra(['backup', 'web1', 'a.raw', '--json'], store, { stderr });
  t.equal(text, '', 'not with --json');
});
