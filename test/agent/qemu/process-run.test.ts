import { join } from 'node:path';
import t from 'tap';
import { runOfQemu, withSocket } from '../../../agent/qemu/process-run.js';
import { startMachine } from '../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('each run of a QEMU has a name of its own', async (t) => {
  const directory = temporaryDirectory(t);
  const run = (): Promise<string | undefined> => runOfQemu(withSocket(join(directory, 'qmp')));
  t.equal(await run(), undefined);
  const first = await startMachine(t, directory, { disks: [] });
  const name = await run();
  t.match(name, /^[0-9a-f-]{36} \d+ \d+$/);
  t.equal(await run(), name);
  t.equal(await runOfQemu(withSocket(join(directory, 'qm'))), undefined, 'the beginning of a name is another one');
  await first.stop();
  t.equal(await run(), undefined);
  const second = await startMachine(t, directory, { disks: [] });
  const other = await run();
  t.ok(other);
  t.not(other, name);
  await startMachine(t, directory, { disks: [] });
  t.equal(await run(), undefined, 'two of which either may be meant');
  await second.stop();
});
