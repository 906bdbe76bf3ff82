import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { record, text } from '../../../../agent/json-values.js';
import { pidOfQemu, withSocket } from '../../../../agent/qemu/process-run.js';
import { viewNames } from '../../../../agent/trackers/qemu-bitmap/names.js';
import { QemuNbdServer } from '../../../../agent/trackers/qemu-bitmap/nbd-server.js';
import { bitmapTracker, request } from '../../../kit/checkpoints.js';
import { fakeNbdServer } from '../../../kit/fake-nbd-server.js';
import { makeDisks } from '../../../kit/machine-lab.js';
import { startMachine } from '../../../kit/qemu-machine.js';
import { smallDisk } from '../../../kit/small-disk.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const CHILD = fileURLToPath(new URL('../../../kit/checkpoint-child.js', import.meta.url));

const unseen = (): Promise<undefined> => Promise.resolve(undefined);

t.test('the disk of the note is full: no directory is left that nobody knows of', async (t) => {
  const disk = smallDisk(t, 1024 * 1024);
  const directory = temporaryDirectory(t);
  const runtime = join(directory, 'run');
  mkdirSync(runtime);
  const { monitor } = await startMachine(t, directory, { disks: [] });
  const notePath = join(disk.directory, 'server.json');
  const server = new QemuNbdServer({ notePath, runtimeDirectory: runtime, owner: 0, pid: unseen });
  disk.fill(0);
  await t.rejects(server.start(monitor), { code: 'ENOSPC' });
  t.same(readdirSync(runtime), []);
  disk.release();
  t.match(await server.start(monitor), runtime);
  await server.stop(monitor);
  t.same(readdirSync(runtime), []);
});

t.test('nothing is made before it is written down: an agent may be killed in between', async (t) => {
  const directory = temporaryDirectory(t);
  const runtime = join(directory, 'run');
  mkdirSync(runtime);
  const notePath = join(directory, 'server.json');
  // Opening it waits for a reader.
  execFileSync('mkfifo', [`${notePath}.new`]);
  const server = new QemuNbdServer({ notePath, runtimeDirectory: runtime, owner: 0, pid: unseen });
  const { monitor } = await startMachine(t, directory, { disks: [] });
  const started = t.rejects(server.start(monitor), { code: 'EINVAL' }, 'a pipe cannot be synced');
  await setTimeout(50);
  t.same(readdirSync(runtime), []);
  const written = await readFile(`${notePath}.new`, 'utf8');
  t.same(readdirSync(runtime), []);
  t.match(written, join(runtime, 'umbra-nbd-'));
  await started;
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

t.test('the name of the socket is deleted, and an agent comes that did not start the server', async (t) => {
  const directory = temporaryDirectory(t);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks: [] });
  const notePath = join(directory, 'server.json');
  const pid = (): Promise<number | undefined> => pidOfQemu(withSocket(qmpSocket));
  const agent = (): QemuNbdServer =>
    new QemuNbdServer({ notePath, runtimeDirectory: directory, owner: 0, pid, settleMs: 300 });

  await t.test('it is stopped', async () => {
    rmSync(dirname(await agent().start(monitor)), { recursive: true });
    await agent().stop(monitor);
    const next = agent();
    await next.start(monitor);
    await next.stop(monitor);
  });

  await t.test('not while somebody is connected: QEMU would stand still', async (t) => {
    const socketPath = await agent().start(monitor);
    const client = connect(socketPath);
    await once(client, 'data');
    rmSync(socketPath);
    await t.rejects(agent().stop(monitor), {
      code: 'TRACKER_FAILED',
      message: /was deleted.*connected/,
      hint: /End them/,
    });
    t.ok(existsSync(notePath));
    client.destroy();
    await agent().stop(monitor);
    t.notOk(existsSync(notePath));
  });

  await t.test('a server of somebody else is left alone, and what is to be done is said', async (t) => {
    rmSync(await agent().start(monitor));
    await monitor.execute('nbd-server-stop');
    const theirs = { addr: { type: 'unix', data: { path: join(directory, 'theirs') } } };
    await monitor.execute('nbd-server-start', theirs);
    await agent().stop(monitor);
    await t.rejects(agent().start(monitor), { code: 'TRACKER_BUSY', hint: /its socket was deleted.*nbd-server-stop/ });
    await monitor.execute('nbd-server-stop');
  });
});

t.test(
  'an agent is killed in a backup, and the directory of its socket deleted: the next backup is made',
  async (t) => {
    const directory = temporaryDirectory(t);
    const { qmpSocket } = await startMachine(t, directory, { disks: makeDisks(directory) });
    // Without what the test runner would load into it.
    const env = { PATH: process.env['PATH'] };
    const child = spawn(process.execPath, [CHILD, directory, qmpSocket, 'c1'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    for await (const part of child.stdout.setEncoding('utf8')) if ((said += String(part)).includes('made')) break;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    const note = record(JSON.parse(readFileSync(join(directory, 'state', 'nbd.json'), 'utf8')));
    rmSync(dirname(text(note['socketPath']) ?? ''), { recursive: true });
    const next = await bitmapTracker(directory, qmpSocket).checkpoint(request('c2'));
    await next.acknowledge();
    await next.close();
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
  const options = { notePath: note, runtimeDirectory: directory, owner: 0, pid: unseen };
  return { server: new QemuNbdServer(options), note, execute };
}
