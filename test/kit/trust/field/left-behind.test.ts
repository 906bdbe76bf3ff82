import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { smallDisk } from '../../small-disk.js';
import { temporaryDirectory } from '../../temporary.js';
import { leftInTheEnd, leftOf } from './left-behind.js';

t.test('what a run leaves behind is found, and can be taken away', async (t) => {
  const sleeper = (variables: NodeJS.ProcessEnv): ChildProcess => {
    const child = spawn('sleep', ['600'], { stdio: 'ignore', env: { ...process.env, ...variables } });
    t.teardown(() => child.kill());
    return child;
  };
  const directory = temporaryDirectory(t);
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = directory;
  const disk = smallDisk({ teardown: () => undefined }, 1024 * 1024);
  if (before === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = before;
  const ours = sleeper({ TMPDIR: `${directory}/below` });
  const reader = sleeper({ UMBRA_READS: directory });
  await Promise.all([once(ours, 'spawn'), once(reader, 'spawn')]);
  const left = leftOf(directory);
  t.same(
    left.map(({ what }) => what),
    [`process ${ours.pid}: sleep 600`, `mount ${disk.directory} (tmpfs)`],
    'and nobody who only has its name somewhere',
  );
  for (const { remove } of left) remove();
  t.same(await leftInTheEnd(directory), []);
  t.equal(reader.exitCode, null);
});
