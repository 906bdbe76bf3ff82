import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { EXIT_CODES } from '../../src/common/exit-codes.js';
import { scratch } from '../kit/mount-server.js';
import { Random, testSeed } from '../kit/random.js';
import { errorOf, Umbra } from '../kit/umbra-program.js';

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
