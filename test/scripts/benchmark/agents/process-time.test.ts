import t from 'tap';
import {
  peakBytes,
  processSeconds,
  runTimed,
  threadSeconds,
} from '../../../../scripts/benchmark/agents/process-time.js';

t.test('what a program printed, and how much time of the processors it took', async (t) => {
  const loop = 'for ((i = 0; i < 50000; i++)); do :; done; echo one; echo two >&2; echo three';
  const { stdout, seconds, processSeconds: taken } = await runTimed('bash', ['-c', loop]);
  t.equal(stdout, 'one\nthree');
  t.ok(taken > 0 && seconds > 0);
  await t.rejects(runTimed('bash', ['-c', 'echo no >&2; exit 3']), { name: 'BenchError', message: /no/ });
});

t.test('a process that is there, and one that is not', async (t) => {
  t.ok(processSeconds(process.pid) > 0);
  t.ok(peakBytes(process.pid) > 1024 * 1024);
  t.ok(threadSeconds(process.pid) > 0);
  t.equal(processSeconds(2 ** 30), 0);
  t.equal(threadSeconds(2 ** 30), 0);
  t.equal(peakBytes(2 ** 30), 0);
});
