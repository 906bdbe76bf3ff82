import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { QemuNbdServer } from '../../../../agent/trackers/qemu-bitmap/nbd-server.js';
import { startMachine } from '../../../kit/qemu-machine.js';
import { smallDisk } from '../../../kit/small-disk.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

t.test('the disk of the note is full: no directory is left that nobody knows of', async (t) => {
  const disk = smallDisk(t, 1024 * 1024);
  const directory = temporaryDirectory(t);
  const runtime = join(directory, 'run');
  mkdirSync(runtime);
  const { monitor } = await startMachine(t, directory, { disks: [] });
  const server = new QemuNbdServer(join(disk.directory, 'server.json'), runtime, 0);
  disk.fill(0);
  await t.rejects(server.start(monitor), { code: 'ENOSPC' });
  t.same(readdirSync(runtime), []);
  disk.release();
  t.match(await server.start(monitor), runtime);
  await server.stop(monitor);
  t.same(readdirSync(runtime), []);
});
