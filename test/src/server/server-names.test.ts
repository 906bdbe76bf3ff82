import { hostname, networkInterfaces } from 'node:os';
import t from 'tap';
import { isServerName } from '../../../src/protocol/server-address.js';
import { logFrom } from '../../../src/system/line-log.js';
import { reachableNames, serverNames } from '../../../src/server/server-names.js';
import { ask } from '../../kit/api-client.js';
import { startFakeServer } from '../../kit/fake-store.js';

void t.test('a server is known by where it listens, its machine’s name, and what it is told', async (t) => {
  const own = isServerName(hostname()) ? [hostname().toLowerCase()] : [];
  const names = serverNames('10.0.0.1', ['Backup.example', 'localhost']);
  t.same([...names].sort(), ['localhost', '127.0.0.1', '::1', '10.0.0.1', 'backup.example', ...own].sort());
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  for (const listen of ['0.0.0.0', '::']) {
    const everywhere = serverNames(listen, []);
    t.notOk(everywhere.includes(listen));
    for (const { address, internal, family } of addresses) {
      if (!internal && family === 'IPv4') t.ok(everywhere.includes(address), address);
    }
  }
});

void t.test('others are told the names that lead to it', async (t) => {
  for (const host of ['127.0.0.1', '::1', 'localhost']) {
    // The machine's own name may lead to another address of it.
    t.same(reachableNames(host, []), [host]);
    t.same(reachableNames(host, ['Backup.example']), ['backup.example', host]);
  }
  const own = isServerName(hostname()) ? [hostname().toLowerCase()] : [];
  t.same(reachableNames('10.0.0.1', ['backup.example']), ['backup.example', '10.0.0.1', ...own]);
  t.notOk(reachableNames('0.0.0.0', []).some((name) => name === '0.0.0.0' || name.startsWith('127.')));
});

void t.test('a log leaves out what is less than it is told', async (t) => {
  const said: string[] = [];
  const log = {
    info: (message: string) => void said.push(message),
    warn: (message: string) => void said.push(message),
    error: (message: string) => void said.push(message),
  };
  for (const least of ['info', 'warn', 'error'] as const) {
    const filtered = logFrom(least, log);
    filtered.info(`info of ${least}`);
    filtered.warn(`warning of ${least}`);
    filtered.error(`error of ${least}`);
  }
  t.same(said, [
    'info of info',
    'warning of info',
    'error of info',
    'warning of warn',
    'error of warn',
    'error of error',
  ]);
});

void t.test('a server mounts from its start, and says where it listens', async (t) => {
  const listen = { address: { host: '0.0.0.0', port: 0 }, names: ['backup.example'] };
  const mount = { mountPoint: '/mnt/umbra', allowOther: false };
  const { store } = await startFakeServer(t, { listen, mount });
  const status = (await ask(store, 'GET', '/v1/status')).body;
  t.match(status, { mounts: [{ mountPoint: '/mnt/umbra' }], listening: /^0\.0\.0\.0:\d+$/ });
  t.match(status, { urls: [/^https:\/\/backup\.example:\d+$/] });
});
