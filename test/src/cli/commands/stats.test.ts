import t from 'tap';
import { startFakeServer } from '../../../kit/fake-store.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('shows sizes and counts', async (t) => {
  const { store } = await startFakeServer(t);
  const { code, stdout } = await runUmbra(['stats'], store);
  t.equal(code, 0);
  t.match(stdout, /^store: {15}\/.*\nformat: {14}2\nmachines: {12}2\n/);
  t.match(stdout, 'stored:              1.00 GiB (6.0 times smaller than data)\n');
  t.match(stdout, 'write amplification: nothing written yet\n');
  t.match(JSON.parse((await runUmbra(['stats', '--json'], store)).stdout), { chunks: 12345, writeAmplification: null });
});
