import t from 'tap';
import { run } from '../../../scripts/benchmark/process.js';

t.test('the output and the time of a program are returned', async (t) => {
  const { stdout, seconds } = await run('sh', ['-c', 'sleep 0.05; echo "$X"; pwd'], { env: { X: 'y' }, cwd: '/usr' });
  t.equal(stdout, 'y\n/usr\n');
  t.ok(seconds >= 0.05);
});

t.test('a program that leaves another behind does not hold us', async (t) => {
  const { stdout } = await run('sh', ['-c', 'sleep 5 & echo $!']);
  const pid = Number(stdout);
  t.doesNotThrow(() => process.kill(pid, 'SIGTERM'), 'it still runs');
});

t.test('a failure says what failed, how, and what it said', async (t) => {
  const failed = { name: 'BenchError', message: /^sh -c .* ended with code 3: .*oh no/s };
  await t.rejects(run('sh', ['-c', 'echo oh no >&2; exit 3']), failed);
  await t.rejects(run('/nonexistent/program', []), { name: 'BenchError', message: /could not be run/ });
});

t.test('an abort ends the program', async (t) => {
  const abort = new AbortController();
  const running = run('sleep', ['30'], { signal: abort.signal });
  abort.abort();
  await t.rejects(running, { name: 'BenchError' });
});
