import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { MountInfo } from '../../../src/protocol/server-api.js';
import { readMounts } from '../../../src/system/mounts.js';
import { until } from '../../kit/api-client.js';
import { cuttableWay, startReadingLab } from '../../kit/reading-lab.js';
import { runUmbra } from '../../kit/run-umbra.js';

const UMBRA = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
/** On a busy machine everything may take long. */
const LIMIT_MS = 60_000;

/** One server for all. Nothing here may wait for a mount in this thread: the server is in it. */
const shared = startReadingLab(t);

async function isMounted(mountPoint: string): Promise<boolean> {
  return (await readMounts()).some((entry) => entry.mountPoint === mountPoint);
}

/** A mount in the foreground of a process; resolves when it answers. */
async function mount(
  t: Test,
  mountPoint: string,
  variables: Record<string, string>,
): Promise<{ readonly end: (signal: NodeJS.Signals) => Promise<readonly [unknown, string]> }> {
  const child = spawn(process.execPath, [UMBRA, 'mount', mountPoint], {
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  t.teardown(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (more: string) => (said += more));
  }
  await until(() => {
    if (child.exitCode !== null) throw new Error(said);
    return said.includes('mounted at');
  }, LIMIT_MS);
  return {
    end: async (signal) => {
      child.kill(signal);
      const [code] = (await ended) as unknown[];
      return [code, said];
    },
  };
}

void t.test('a mount of a server elsewhere shows what there is, byte for byte', async (t) => {
  const lab = await shared;
  const { names, images, large, umbra, port, token } = lab;
  const way = await cuttableWay(t, port);
  const mountPoint = join(lab.directory, 'mount');
  mkdirSync(mountPoint);
  await umbra('share', 'add', 'etc', 'm1:/vda/etc');
  const variables = { UMBRA_SERVER: `https://127.0.0.1:${way.port}`, UMBRA_TOKEN: token };
  const { end } = await mount(t, mountPoint, variables);
  t.same(await readdir(mountPoint), ['.shares', 'm1']);
  const latest = join(mountPoint, 'm1', 'latest');
  for (const [index, name] of names.entries()) {
    way.cutAfter(1024 * 1024);
    const volume = await readFile(join(mountPoint, 'm1', name, 'volumes', 'vda.raw'));
    t.ok(volume.equals(images[index] ?? Buffer.alloc(0)), `the volume of ${name}, over a connection that is cut`);
  }
  const about = JSON.parse(await readFile(join(latest, 'about.json'), 'utf8')) as object;
  t.match(about, { machine: 'm1', shadowCopy: names[1] });
  t.equal(await readFile(join(latest, 'files', 'vda', 'etc', 'fstab'), 'utf8'), 'first\nsecond\n');
  t.ok((await readFile(join(latest, 'files', 'vda', 'large'))).equals(large));
  const before = join(mountPoint, 'm1', names[0] ?? '', 'files', 'vda');
  t.equal(await readFile(join(before, 'etc', 'fstab'), 'utf8'), 'first\n');
  t.equal(await readFile(join(mountPoint, '.shares', 'etc', 'live', 'fstab'), 'utf8'), 'first\nsecond\n');

  const handle = await open(join(before, 'home', 'ann', 'notes'));
  const forget = (): Promise<string> => umbra('forget', `m1@${names[0] ?? ''}`).then(() => 'forgotten', String);
  // The file before it was open until a moment ago.
  await until(async () => (await forget()).includes('notes is open in a mount'), LIMIT_MS);
  t.equal(await handle.readFile('utf8'), 'a note\n');
  await handle.close();
  await until(async () => (await forget()) === 'forgotten', LIMIT_MS);
  const name = await lab.backUp('m2', Buffer.alloc(4096, 2));
  await until(async () => (await readdir(mountPoint)).includes('m2'), LIMIT_MS);
  await until(async () => !(await readdir(join(mountPoint, 'm1'))).includes(names[0] ?? ''), LIMIT_MS);
  t.ok((await readFile(join(mountPoint, 'm2', name, 'volumes', 'vda.raw'))).equals(Buffer.alloc(4096, 2)));

  const [code, said] = await end('SIGTERM');
  t.equal(code, 0, said);
  t.match(said, `unmounted ${mountPoint}`);
  t.notOk(await isMounted(mountPoint));
});

void t.test('a mount in the background goes on by itself until it is unmounted', async (t) => {
  const { directory, remote, url, token } = await shared;
  const mountPoint = join(directory, 'background');
  const variables = { ...process.env, UMBRA_SERVER: url, UMBRA_TOKEN: token, XDG_STATE_HOME: join(directory, 'state') };
  const inBackground = (...more: string[]): ReturnType<typeof runUmbra> =>
    runUmbra(['mount', mountPoint, '--background', '--json', ...more], undefined, { variables, directory });
  t.match(await inBackground('--only', 'm9'), { code: 3, stderr: /no machine "m9"/ });
  t.notOk(existsSync(mountPoint));
  const mounted = await inBackground('--only', 'm1@latest');
  t.match(JSON.parse(mounted.stdout) as MountInfo, { mountPoint, machine: 'm1' });
  t.teardown(() => remote('unmount', mountPoint, '--force'));
  t.match(await inBackground(), { code: 9, stderr: /already mounted/ });
  const latest = join(mountPoint, 'm1', 'latest', 'files', 'vda');
  const handle = await open(join(latest, 'etc', 'hosts'));
  t.match(await remote('unmount', mountPoint), { code: 9, stderr: /in use/ });
  t.match(await remote('unmount', mountPoint, '--force'), { code: 0, stdout: `unmounted ${mountPoint}` });
  await handle.close();
  t.notOk(await isMounted(mountPoint));
  t.match(await remote('unmount', mountPoint), { code: 9, stderr: /nothing of Umbra is mounted/ });
});
