import t from 'tap';
import { ask } from '../../kit/api-client.js';
import { startRemoteServer } from '../../kit/remote-lab.js';

const BACKUP = { machine: 'web1', images: [{ path: '/images/a.raw' }], configs: [], reread: false };

void t.test('everybody may ask how the server is, administrators for figures', async (t) => {
  const lab = await startRemoteServer(t);
  const health = await lab.ask('GET', '/health');
  t.same([health.status, health.body], [200, { status: 'ok' }]);
  t.equal((await lab.ask('GET', '/metrics')).status, 401);
  const token = await lab.addToken('anna');
  await ask(lab.store, 'POST', '/v1/backup', BACKUP);
  await ask(lab.store, 'POST', '/v1/backup', { ...BACKUP, machine: 'broken' });
  await lab.ask('GET', '/v1/stats', undefined, { token: 'x' });
  const { status, headers, body } = await lab.ask('GET', '/metrics', undefined, { token });
  t.equal(status, 200);
  t.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  const lines = String(body).trimEnd().split('\n');
  const sample = /^[a-z_]+(\{[a-z_]+="[a-z]+"(,[a-z_]+="[a-z]+")*\})? \d+(\.\d+)?$/;
  for (const line of lines) t.match(line, line.startsWith('#') ? /^# (HELP|TYPE) [a-z_]+ / : sample);
  for (const line of [
    'umbra_jobs_total{kind="backup",outcome="done"} 1',
    'umbra_jobs_total{kind="backup",outcome="failed"} 1',
    'umbra_ingested_bytes_total 8192',
    'umbra_tokens_refused_total 1',
    'umbra_mounts 0',
    'umbra_connections_refused_total 0',
  ]) {
    t.ok(lines.includes(line), line);
  }
  t.ok(lines.some((line) => /^umbra_connections [1-9]/.test(line)));
  t.ok(lines.some((line) => /^process_resident_memory_bytes \d{7}/.test(line)));
});
