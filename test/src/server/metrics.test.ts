import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { familiesText, gauge, label } from '../../../src/server/metric-family.js';
import { Metrics } from '../../../src/server/metrics.js';
import { ask } from '../../kit/api-client.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { parsePrometheus } from '../../kit/prometheus.js';
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
  const figures = parsePrometheus(String(body));
  const lines = String(body).trimEnd().split('\n');
  for (const line of [
    'umbra_jobs_total{kind="backup",outcome="done"} 1',
    'umbra_jobs_total{kind="backup",outcome="failed"} 1',
    'umbra_ingested_bytes_total 8192',
    'umbra_tokens_refused_total 1',
    'umbra_mounts 0',
    'umbra_connections_refused_total 0',
    'umbra_backup_last_success{machine="web1"} 1',
    'umbra_backup_last_success{machine="broken"} 0',
    'umbra_agents_connected 0',
    'umbra_store_machines 1',
    'umbra_store_shadow_copies{machine="web1"} 3',
    'umbra_store_damaged_objects 2',
    'umbra_store_filesystem_size_bytes 12884901888',
    'umbra_store_filesystem_free_bytes 1073741824',
    'umbra_store_reserve_bytes 4096',
  ]) {
    t.ok(lines.includes(line), line);
  }
  t.ok(lines.some((line) => /^umbra_connections [1-9]/.test(line)));
  t.ok(lines.some((line) => /^process_resident_memory_bytes \d{7}/.test(line)));
  const sample = (name: string): number | undefined => figures.get(name)?.samples.get('machine="web1"');
  const nowMs = lab.clock.now();
  t.equal(sample('umbra_backup_last_end_timestamp_seconds'), nowMs / 1000);
  t.equal(sample('umbra_store_newest_shadow_copy_age_seconds'), (nowMs - Date.parse('2026-11-22T10:15:00Z')) / 1000);

  writeFileSync(join(lab.store, 'no-figures'), '');
  const rebuilding = parsePrometheus(String((await ask(lab.store, 'GET', '/metrics')).body));
  t.notOk(rebuilding.has('umbra_store_machines'), 'without the figures of the store while it is rebuilt');
  t.ok(rebuilding.has('umbra_mounts'));
});

void t.test('what the server does by itself, of a bounded number of machines', async (t) => {
  const gauges = { jobs: [], mounts: 0, refusedTokens: 0, agents: 0 };
  const lastDone = Array.from({ length: 5000 }, (_, index) => ({ machine: `m${index}`, beganMs: 1500 }));
  const scheduling = { open: new Map([['waiting', 7]]), lastDone };
  const figures = parsePrometheus(new Metrics(new ManualClock(0)).text({ ...gauges, scheduling }));
  t.same([...(figures.get('umbra_scheduled_jobs')?.samples ?? [])], [['state="waiting"', 7]]);
  const last = figures.get('umbra_scheduled_last_success_timestamp_seconds')?.samples;
  t.equal(last?.get('machine="m0"'), 1.5);
  t.equal(last?.size, 4096);
});

void t.test('so many last backups are remembered, the newest', async (t) => {
  const metrics = new Metrics(new ManualClock(0));
  for (let index = 0; index <= 4096; index += 1) {
    metrics.jobEnded({ kind: 'backup', machine: `web${index}` }, 'done', 1);
    metrics.jobEnded({ kind: 'request', machine: 'web0' }, 'cancelled', 1);
  }
  const text = metrics.text({ jobs: [], mounts: 0, refusedTokens: 0, agents: 3 });
  const samples = parsePrometheus(text).get('umbra_backup_last_success')?.samples;
  t.equal(samples?.size, 4096);
  t.same(
    ['web0', 'web1', 'web4096'].map((name) => samples?.get(`machine="${name}"`)),
    [0, undefined, 1],
  );
});

void t.test('labels are escaped, and what is no such text is not taken for it', async (t) => {
  const text = familiesText([gauge('umbra_x_bytes', 'X.', [[label('name', 'a"b\\c\nd'), 1]])]);
  t.equal(text, '# HELP umbra_x_bytes X.\n# TYPE umbra_x_bytes gauge\numbra_x_bytes{name="a\\"b\\\\c\\nd"} 1\n');
  t.equal(parsePrometheus(text).size, 1);
  for (const wrong of [text.trimEnd(), text + text, text.replace('X.\n', 'X.\n\n'), text.replace(' 1', ' one')]) {
    t.throws(() => parsePrometheus(wrong), wrong);
  }
  t.throws(() => parsePrometheus(text.replaceAll('gauge', 'counter')));
});
