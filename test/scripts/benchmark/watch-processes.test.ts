import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { ProcessWatch, TAG, taggedPids } from '../../../scripts/benchmark/watch-processes.js';

const PROGRAM = `
  const held = Buffer.alloc(100e6, 1);
  require('node:fs').writeFileSync(process.argv[1], held.subarray(0, 8e6), { flush: true });
  process.stdout.write('ready');
  setTimeout(() => held, 60_000);
`;

t.test('memory and writes of the tagged processes are seen, also after they ended', async (t) => {
  const tag = `test-${process.pid}`;
  const watch = new ProcessWatch(tag);
  watch.start();
  const file = `${t.testdir()}/written`;
  const child = spawn(process.execPath, ['-e', PROGRAM, file], { env: { ...process.env, [TAG]: tag } });
  await once(child.stdout, 'data');
  t.strictSame(taggedPids(tag), [child.pid]);
  await sleep(200);
  child.kill('SIGKILL');
  await once(child, 'exit');
  watch.stop();
  const peak = watch.takePeakBytes();
  t.ok(peak > 100e6 && peak < 400e6, `peak ${peak}`);
  t.equal(watch.takePeakBytes(), 0, 'taken once');
  // A file system in memory counts no writes.
  const written = watch.writtenBytes();
  t.ok(written === 0 || written >= 8e6, `written ${written}`);
  t.strictSame(taggedPids(tag), []);
});

t.test('other processes do not count', async (t) => {
  const watch = new ProcessWatch('a tag that no process has');
  watch.look();
  t.equal(watch.takePeakBytes(), 0);
  t.equal(watch.writtenBytes(), 0);
});
