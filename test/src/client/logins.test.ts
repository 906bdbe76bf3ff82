import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Logins } from '../../../src/client/logins.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const SERVER = { host: '::1', port: 7443 };
const LOGIN = {
  url: 'https://[::1]:7443',
  name: 'anna',
  authority: 'a',
  certificate: 'c',
  key: 'k',
  issuedMs: 1,
  expiresMs: 2,
};

void t.test('log-ins are kept for each server', async (t) => {
  const logins = new Logins(temporaryDirectory(t));
  t.equal(await logins.find(SERVER), undefined);
  await logins.save(LOGIN);
  t.same(await logins.find(SERVER), LOGIN);
  t.equal(await logins.find({ ...SERVER, port: 1 }), undefined);
  await logins.remove(SERVER);
  await logins.remove(SERVER);
  t.equal(await logins.find(SERVER), undefined);
});

void t.test('what can’t be read or written, or is damaged, says so', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'umbra', 'servers', '__1_7443.json');
  mkdirSync(file, { recursive: true });
  const logins = new Logins(directory);
  await t.rejects(logins.find(SERVER), { code: 'BAD_ARGUMENT', message: /cannot be read/ });
  await t.rejects(logins.save(LOGIN), { code: 'BAD_ARGUMENT', message: /cannot be written/ });
  const other = temporaryDirectory(t);
  mkdirSync(join(other, 'umbra', 'servers'), { recursive: true });
  for (const text of ['{', '7', '{"url": 1}']) {
    writeFileSync(join(other, 'umbra', 'servers', '__1_7443.json'), text);
    await t.rejects(new Logins(other).find(SERVER), { message: /is damaged/, hint: /umbra login/ });
  }
});
