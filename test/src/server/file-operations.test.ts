import t from 'tap';
import { ask } from '../../kit/api-client.js';
import { startFakeServer } from '../../kit/fake-store.js';

t.test('parameters are checked', async (t) => {
  const { store } = await startFakeServer(t);
  const version = { machine: 'web1', version: 'latest' };
  const bad: [string, unknown][] = [
    ['list', { ...version }],
    ['list', { ...version, details: true, path: 'vda1' }],
    ['list', { ...version, details: true, path: '/vda1/../x' }],
    ['list', { ...version, details: true, path: '/vda1//x' }],
    ['list', { ...version, details: true, path: '/vda1/\0' }],
    ['list', { ...version, details: true, path: `/${'x'.repeat(70_000)}` }],
    ['history', { machine: 'web1', path: 7 }],
    ['find', { machine: 'web1', glob: '', ignoreCase: false }],
    ['find', { machine: 'web1', glob: 'x', ignoreCase: false, type: 'door' }],
    ['copy', { ...version, path: '/vda1', to: 'x', toDirectory: false, recursive: false, force: false }],
    ['diff', { machine: 'web1', from: 'latest' }],
  ];
  for (const [operation, body] of bad) {
    const { status } = await ask(store, 'POST', `/v1/files/${operation}`, body);
    t.equal(status, 400, `${operation} ${JSON.stringify(body).slice(0, 60)}`);
  }
  t.equal((await ask(store, 'GET', '/v1/files/content?machine=web1&version=latest')).status, 400);
});

t.test('items come before the result', async (t) => {
  const { store } = await startFakeServer(t);
  const request = { machine: 'web1', version: 'latest', path: '/vda1', details: false };
  const { body } = await ask(store, 'POST', '/v1/files/list', request);
  t.match(body, [{ job: 1 }, { items: [{ name: 'esc\x1b' }] }, { items: [{ name: 'sub' }] }, { result: { files: 2 } }]);
});
