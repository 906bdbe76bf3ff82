import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { socketPath } from '../../../src/protocol/socket-path.js';
import { ask, until } from '../../kit/api-client.js';
import { FAKE_UMBRA, runUmbra, spawnUmbra } from '../../kit/run-umbra.js';
import { temporaryDirectory } from '../../kit/temporary.js';

/** A new store's path; what serves it is ended with the test. */
function storeOf(t: Test): string {
  const store = join(temporaryDirectory(t), 'store');
  t.teardown(() => runUmbra(['stop'], store));
  return store;
}

async function serverPid(store: string): Promise<number> {
  const { body } = await ask(store, 'GET', '/v1/status');
  return typeof body === 'object' && body !== null && 'pid' in body ? Number(body.pid) : 0;
}

void t.test('many commands at once on a cold start have one server', async (t) => {
  const store = storeOf(t);
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, (_, index) => spawnUmbra(['backup', `web${index}`, 'a.raw', '--json'], store).done),
  );
  for (const { code, stderr } of outcomes) t.equal(code, 0, stderr);
  t.equal(readFileSync(join(store, 'server.log'), 'utf8').match(/"serving"/g)?.length, 1);
});

void t.test('the server ends when idle, and the next command starts another', async (t) => {
  const store = storeOf(t);
  t.match(await spawnUmbra(['init'], store, { idleSeconds: 1 }).done, { code: 0 });
  const first = await serverPid(store);
  await until(() => !existsSync(socketPath(store)));
  t.match(await spawnUmbra(['list'], store).done, { code: 0 });
  t.not(await serverPid(store), first);
});

void t.test('an interruption cancels a backup', async (t) => {
  const store = storeOf(t);
  const backup = spawnUmbra(['backup', 'slow', 'a.raw', '--json'], store);
  // Left behind by a failure it would keep this process.
  t.teardown(() => {
    backup.kill('SIGKILL');
  });
  // A socket is there a moment before anybody listens.
  const jobs = async (): Promise<string> => JSON.stringify((await ask(store, 'GET', '/v1/status')).body);
  await until(async () => (await jobs().catch(() => '')).includes('"backup"'));
  backup.kill('SIGINT');
  const { code, stdout } = await backup.done;
  t.equal(code, 130);
  t.match(JSON.parse(stdout), { error: { code: 'CANCELLED' } });
  t.match((await ask(store, 'GET', '/v1/status')).body, { jobs: [] });
});

void t.test('the second interruption does not wait for the server', async (t) => {
  const store = storeOf(t);
  const backup = spawnUmbra(['backup', 'slow', 'a.raw', '--json'], store);
  const jobs = async (): Promise<string> => JSON.stringify((await ask(store, 'GET', '/v1/status')).body);
  await until(async () => (await jobs().catch(() => '')).includes('"backup"'));
  const server = await serverPid(store);
  if (server === 0) throw new Error('the server does not say its process');
  process.kill(server, 'SIGSTOP');
  t.teardown(() => {
    backup.kill('SIGKILL');
    process.kill(server, 'SIGCONT');
  });
  backup.kill('SIGINT');
  await new Promise((resolve) => setTimeout(resolve, 200));
  backup.kill('SIGTERM');
  t.match(await backup.done, { stdout: '', stderr: 'SIGINT' });
});

void t.test('a reader that goes away is no error', async (t) => {
  const store = storeOf(t);
  await spawnUmbra(['backup', 'web1', 'a.raw'], store).done;
  const list = spawnUmbra(['list'], store);
  list.closeStdout();
  t.match(await list.done, { code: 0, stderr: '' });
});

void t.test('output that can not be written is an error', async (t) => {
  const store = storeOf(t);
  await spawnUmbra(['backup', 'web1', 'a.raw'], store).done;
  const full = openSync('/dev/full', 'w');
  t.teardown(() => {
    closeSync(full);
  });
  const { status, stderr } = spawnSync(process.execPath, [FAKE_UMBRA, 'list', '--json', '--store', store], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  });
  t.equal(status, 6);
  t.match(stderr, /^umbra: the output cannot be written: ENOSPC/);
});

void t.test('a working directory that is gone is said so', async (t) => {
  const directory = join(temporaryDirectory(t), 'gone');
  mkdirSync(directory);
  // What the test runner has every Node.js load fails there, too.
  const command = `cd '${directory}' && rmdir '${directory}' && unset NODE_OPTIONS && exec '${process.execPath}' '${FAKE_UMBRA}' list --json`;
  const { status, stdout } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  t.equal(status, 2);
  t.match(JSON.parse(stdout), { error: { code: 'BAD_ARGUMENT', message: /current directory/ } });
});

void t.test('a foreground mount ends with a signal', async (t) => {
  const store = storeOf(t);
  await spawnUmbra(['init'], store).done;
  const point = temporaryDirectory(t);
  const mount = spawnUmbra(['mount', point], store);
  await mount.says('mounted at');
  mount.kill('SIGTERM');
  t.match(await mount.done, {
    code: 0,
    stdout: `mounted at ${point}; Ctrl-C unmounts\n`,
    stderr: `unmounted ${point}\n`,
  });
  t.match((await ask(store, 'GET', '/v1/status')).body, { mounts: [] });
});

void t.test('a foreground mount says when its server dies, and the next command starts another', async (t) => {
  const store = storeOf(t);
  await spawnUmbra(['init'], store).done;
  const mount = spawnUmbra(['mount', temporaryDirectory(t), '--json'], store);
  await mount.says('mountPoint');
  const pid = await serverPid(store);
  process.kill(pid, 'SIGKILL');
  const { code, stdout, stderr } = await mount.done;
  t.equal(code, 11);
  t.match(stderr, /the server ended before/);
  t.match(JSON.parse(stdout), { mountPoint: String }, 'still one document');
  t.ok(existsSync(socketPath(store)), 'the dead socket is still there');
  t.match(await spawnUmbra(['list'], store).done, { code: 0 });
});

void t.test('a client that is killed takes its mount along', async (t) => {
  const store = storeOf(t);
  await spawnUmbra(['init'], store).done;
  const mount = spawnUmbra(['mount', temporaryDirectory(t)], store);
  await mount.says('mounted at');
  mount.kill('SIGKILL');
  await mount.done;
  await until(async () => JSON.stringify((await ask(store, 'GET', '/v1/status')).body).includes('"mounts":[]'));
});

void t.test('serve runs in the foreground until a signal', async (t) => {
  const store = storeOf(t);
  await spawnUmbra(['init'], store).done;
  await spawnUmbra(['stop'], store).done;
  const serve = spawnUmbra(['serve', '--json'], store);
  await serve.says('"pid"');
  t.match(await spawnUmbra(['list'], store).done, { code: 0 });
  t.match(await spawnUmbra(['serve'], store).done, { code: 4, stderr: /in use by process \d+, "umbra serve"/ });
  serve.kill('SIGTERM');
  const { code, stderr } = await serve.done;
  t.equal(code, 0);
  t.match(stderr, /"message":"serving".*\n(.*\n)*.*"message":"stopped"/);
  t.notOk(existsSync(socketPath(store)));
});

void t.test('serve takes over from an idle server that a command started', async (t) => {
  const store = storeOf(t);
  await spawnUmbra(['init'], store, { idleSeconds: 600 }).done;
  const first = await serverPid(store);
  const serve = spawnUmbra(['serve', '--json'], store);
  await serve.says('"pid"');
  t.not(await serverPid(store), first);
  serve.kill('SIGTERM');
  t.match(await serve.done, { code: 0 });
});

void t.test('what keeps a server from starting has its code', async (t) => {
  const store = storeOf(t);
  t.match(await spawnUmbra(['list'], store).done, { code: 3, stderr: /there is no store at/ });
  t.match(await spawnUmbra(['serve'], store).done, { code: 3, stderr: /there is no store at/ });
  await spawnUmbra(['init'], store).done;
  await spawnUmbra(['stop'], store).done;
  writeFileSync(join(store, 'format'), 'other');
  t.match(await spawnUmbra(['list'], store).done, { code: 10, stderr: /is not a store/ });
});
