import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { EXIT_CODES } from '../../src/common/exit-codes.js';
import { scratch } from '../kit/mount-server.js';
import { Random, testSeed } from '../kit/random.js';
import { errorOf, Umbra, umbraAt } from '../kit/umbra-program.js';

t.test('an encrypted store through the command line, from its making to its loss', async (t) => {
  const directory = scratch(t);
  const umbra = new Umbra(join(directory, 'store'));
  const at = (name: string): string => join(directory, name);
  for (const name of ['key', 'other']) writeFileSync(at(name), name.repeat(16), { mode: 0o600 });
  const content = new Random(testSeed(t)).bytes(3 << 20).fill('SECRET words of the payroll. ', 1 << 20, 2 << 20);
  writeFileSync(at('one.raw'), content);
  t.teardown(async () => {
    delete process.env['UMBRA_KEY_FILE'];
    await umbra.killServer();
  });
  const fails = async (code: 'KEY_MISSING' | 'KEY_WRONG' | 'KEY_UNREADABLE' | 'KEY_LOST'): Promise<void> => {
    const ended = await umbra.run('list');
    t.equal(ended.code, EXIT_CODES[code].code);
    t.equal(errorOf(ended).code, code);
  };
  t.equal((await umbra.run('init', '--key-file', at('key'))).code, EXIT_CODES.USAGE.code, '--encrypt is missing');
  await umbra.result('init', '--encrypt', '--cipher', 'chacha20-poly1305', '--key-file', at('key'));
  await umbra.backup('one', at('one.raw'));
  t.match(await umbra.result('verify'), { damagedObjects: [] });
  t.match(await umbra.result('key', 'change', '--key-file', at('other'), '--label', 'new'), {
    kind: 'key',
    label: 'new',
  });
  await umbra.result('stop');
  await fails('KEY_MISSING');
  process.env['UMBRA_KEY_FILE'] = at('key');
  await fails('KEY_WRONG');
  process.env['UMBRA_KEY_FILE'] = at('nothing');
  await fails('KEY_UNREADABLE');
  process.env['UMBRA_KEY_FILE'] = at('other');
  t.match(await umbra.result('gc'), { deletedObjects: 0 });
  t.match(await umbra.result('rebuild'), { damagedObjects: 0, shadowCopies: 1 });
  await umbra.result('restore', 'one', '--to', at('out'));
  t.ok(readFileSync(join(at('out'), 'vda.raw')).equals(content), 'the bytes that were put in');
  await umbra.result('export', 'one', '--volume', 'vda', '--to', at('one.qcow2'));
  await umbra.result('stop');
  for (const name of ['keys', join('objects', 'umbra-keys')]) rmSync(join(umbra.store, name));
  await fails('KEY_LOST');
});

t.test('an encrypted store is mounted, and nothing of it is in its directory in plain', async (t) => {
  const directory = scratch(t);
  const umbra = umbraAt(t, join(directory, 'store'));
  const at = (name: string): string => join(directory, name);
  for (const name of ['key', 'other']) writeFileSync(at(name), name.repeat(16), { mode: 0o600 });
  t.teardown(() => delete process.env['UMBRA_KEY_FILE']);
  process.env['UMBRA_KEY_FILE'] = at('key');
  const wages = 'SECRET wages of the payroll. '.repeat(2000);
  mkdirSync(at('tree'));
  writeFileSync(join(at('tree'), 'wages.txt'), wages);
  writeFileSync(at('disk.raw'), '');
  truncateSync(at('disk.raw'), 8 << 20);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', at('tree'), at('disk.raw')], { stdio: 'ignore' });
  await umbra.result('init', '--encrypt');
  await umbra.backup('payroll-host', at('disk.raw'));
  const { token } = (await umbra.result('token', 'add', 'anna-of-accounting')) as { readonly token: string };

  const point = at('mount');
  mkdirSync(point);
  await umbra.mount(point);
  const latest = join(point, 'payroll-host', 'latest');
  t.ok(readFileSync(join(latest, 'volumes', 'vda.raw')).equals(readFileSync(at('disk.raw'))), 'the volume');
  t.equal(readFileSync(join(latest, 'files', 'vda', 'wages.txt'), 'utf8'), wages, 'and the file in it');
  t.match(await umbra.run('unmount', point), { code: 0 });
  await umbra.stop();

  const [id = ''] = token.replace(/^umbra-admin-/, '').split('.');
  const secrets = ['SECRET wages', 'wages.txt', 'payroll-host', 'anna-of-accounting', 'PRIVATE KEY', id];
  const found = filesOf(umbra.store).flatMap(({ name, bytes }) =>
    secrets.filter((secret) => bytes.includes(secret)).map((secret) => `${secret} in ${name}`),
  );
  t.same(found, [], 'but for the log, which says so in README.md');
  t.ok(
    filesOf(umbra.store).some(({ name }) => name.endsWith('access.json')),
    'it was looked at',
  );

  process.env['UMBRA_KEY_FILE'] = at('other');
  const ended = await umbra.run('mount', point, '--background');
  t.equal(ended.code, EXIT_CODES.KEY_WRONG.code);
  t.match(errorOf(ended), {
    code: 'KEY_WRONG',
    message: 'the key file does not open the store',
    hint: /It has one key file/,
  });
  t.same(readdirSync(point), [], 'nothing is mounted');
});

/** The files of a store, but for its log. */
function filesOf(store: string): { readonly name: string; readonly bytes: Buffer }[] {
  return readdirSync(store, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('server.log'))
    .map(({ parentPath, name }) => ({ name: join(parentPath, name), bytes: readFileSync(join(parentPath, name)) }));
}
