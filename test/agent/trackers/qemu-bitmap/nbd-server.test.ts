import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { viewNames } from '../../../../agent/trackers/qemu-bitmap/names.js';
import { QemuNbdServer } from '../../../../agent/trackers/qemu-bitmap/nbd-server.js';
import { fakeNbdServer } from '../../../kit/fake-nbd-server.js';
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

t.test(
  'QEMU is told to stop its server when no handshake is under way: it would wait for that, and hear nothing',
  async (t) => {
    const said: string[] = [];
    const fake = await fakeNbdServer(t, {
      aborted: (socket) => {
        said.push('the handshake is over');
        socket.end();
      },
    });
    const { server, note, execute } = noted(t, fake, said);
    await server.stop({ execute });
    t.same(said, ['query-block-exports', 'the handshake is over', 'nbd-server-stop']);
    t.notOk(existsSync(note));
  },
);

t.test(
  'a server that does not answer, or still has an export of ours, is not stopped, and not forgotten',
  async (t) => {
    const said: string[] = [];
    const broken = noted(t, await fakeNbdServer(t, { greeting: Buffer.alloc(18, 'x') }), said);
    await t.rejects(broken.server.stop(broken), { code: 'IMAGE_FAILED' });
    const busy = noted(t, await fakeNbdServer(t, {}), said, [{ type: 'nbd', id: viewNames.exportId(0) }]);
    await t.rejects(busy.server.stop(busy), { code: 'TRACKER_FAILED', message: /still has the export/ });
    t.same(said, ['query-block-exports', 'query-block-exports']);
    t.ok(existsSync(broken.note));
    t.ok(existsSync(busy.note));
  },
);

interface Noted {
  readonly server: QemuNbdServer;
  readonly note: string;
  /** Notes what QEMU is told. */
  readonly execute: (command: string) => Promise<unknown>;
}

/** A server that an agent before has started. */
function noted(t: Test, socket: string, said: string[], exports: readonly unknown[] = []): Noted {
  const directory = temporaryDirectory(t);
  const note = join(directory, 'server.json');
  const socketPath = join(directory, 'umbra-nbd-1', 'socket');
  mkdirSync(join(directory, 'umbra-nbd-1'));
  symlinkSync(socket, socketPath);
  writeFileSync(note, JSON.stringify({ socketPath }));
  const execute = (command: string): Promise<unknown> => {
    said.push(command);
    return Promise.resolve(exports);
  };
  return { server: new QemuNbdServer(note, directory, 0), note, execute };
}
