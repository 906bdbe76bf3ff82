import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('all is good', async (t) => {
  const { store } = await startFakeServer(t);
  t.match(await runUmbra(['verify'], store), {
    code: 0,
    stdout: '1,000 objects (1.00 GiB) checked in 1.0 s: all good\n',
  });
  t.match(await runUmbra(['verify', 'web1@latest'], store), { code: 0 });
});

void t.test('damage is listed and has its exit code', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout, stderr } = await runUmbra(['verify', 'bad'], store);
  t.equal(code, 5);
  t.equal(stderr, '');
  t.match(stdout, /1 object is damaged\n {2}chunk (ab)+: its checksum is wrong\n/);
  t.match(stdout, /bad@2026-11-22T10-15-00Z {2}vda {7}4096 {4}8192 {2}chunk ab/);
  t.match(stdout, /Back up bad again.\n$/);
  const json = await runUmbra(['verify', 'bad', '--json'], store);
  t.equal(json.code, 5);
  t.match(JSON.parse(json.stdout), { damaged: [{ machine: 'bad', volume: 'vda' }], advice: 'Back up bad again.' });
});
