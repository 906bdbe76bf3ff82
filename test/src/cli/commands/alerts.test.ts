import t from 'tap';
import type { AlertsResult, TestAlertsResult } from '../../../../src/protocol/alerts-api.js';
import type { StatusResult } from '../../../../src/protocol/server-api.js';
import { WINDOW_MS } from '../../../../src/alerts/delivery.js';
import { UmbraError } from '../../../../src/common/errors.js';
import { openFakeEngine } from '../../../kit/fake-engine.js';
import { FakeChannel, someAlert } from '../../../kit/alert-lab.js';
import { ask } from '../../../kit/api-client.js';
import { startFakeServer } from '../../../kit/fake-store.js';
import { ManualClock } from '../../../kit/manual-clock.js';
import { parsePrometheus } from '../../../kit/prometheus.js';
import { runUmbra } from '../../../kit/run-umbra.js';
import type { Alerts } from '../../../../src/alerts/alert.js';
import type { Engine } from '../../../../src/server/engine.js';

void t.test('alerts are listed, checked and told, and stand in umbra status and the figures', async (t) => {
  const [mail, hook] = [new FakeChannel('mail'), new FakeChannel('hook', { severity: 'critical', kinds: ['damage'] })];
  mail.answer = () => Promise.reject(new UmbraError('NOTIFY_FAILED', 'mail\u001b[31m is down'));
  const clock = new ManualClock();
  let engine: Engine | undefined;
  const { server, store } = await startFakeServer(t, {
    clock,
    channels: [mail, hook],
    openEngine: async (options) => (engine = await openFakeEngine(options)),
  });
  t.ok(engine);
  const run = (...line: string[]): ReturnType<typeof runUmbra> => runUmbra(line, store);

  t.equal((await run('alerts', '--check')).stdout, 'OK: nothing is wrong\n');
  t.match(
    (await run('alerts')).stdout,
    /^Nothing is wrong\.\n\nCHANNEL .*\nmail +webhook +nowhere +everything +all +nothing/,
  );
  t.notMatch((await run('status')).stdout, /alerts|not told/);

  const alerts: Alerts = server.alerts;
  alerts.begin(someAlert('web'));
  alerts.begin(someAlert('store', { kind: 'space', severity: 'warning', text: 'The disk is nearly full.' }));
  alerts.begin(someAlert('db', { kind: 'job-failed' }));
  alerts.end('job-failed', 'db', 'The jobs of db do not fail any more.');
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  };
  await settle();
  clock.advance(WINDOW_MS);
  await settle();

  const { stdout } = await run('alerts');
  t.match(
    stdout,
    /^CRITICAL data-loss web: web has no shadow copy\.\n {4}Make one\.\n {4}since .*\nwarning space store: /,
  );
  t.match(stdout, /\nENDED +SUBJECT.*\njob-failed +db +critical .*The jobs of db do not fail any more\.\n/);
  t.match(stdout, /\nmail +.*nothing yet; NOT since .*, 1 tries: mail\\x1b\[31m is down\n/);
  t.match(stdout, /\nhook +webhook +nowhere +damage +critical +nothing yet\n/);
  t.notMatch((await run('alerts', '--limit', '0')).stdout, /ENDED/);
  const json = JSON.parse((await run('alerts', '--json')).stdout) as AlertsResult;
  t.match(json.active[0], { kind: 'data-loss', subject: 'web', severity: 'critical', facts: { host: 'hv1' } });
  t.match(json.recent, [{ kind: 'job-failed', now: 'The jobs of db do not fail any more.', until: String }]);

  const checked = await run('alerts', '--check');
  t.equal(checked.stdout, 'ALERT: 1 critical, 1 warning; data-loss web, space store\n');
  t.equal(checked.code, 15);
  t.match(
    (await run('status')).stdout,
    /\nalerts: +1 critical, 1 warning; .*\n +CRITICAL data-loss web: .*\n(.*\n)*not told: +mail\n/,
  );
  const status = (await ask(store, 'GET', '/v1/status')).body as StatusResult;
  t.match(status.alerts, { critical: 1, warning: 1, troubled: ['mail'] });
  const figures = parsePrometheus(String((await ask(store, 'GET', '/metrics')).body));
  const samples = (name: string): ReadonlyMap<string, number> | undefined => figures.get(name)?.samples;
  t.equal(samples('umbra_alerts_active')?.get('kind="data-loss",severity="critical"'), 1);
  t.equal(samples('umbra_alerts_active')?.get('kind="damage",severity="critical"'), 0);
  t.equal(samples('umbra_notifications_total')?.get('channel="mail",outcome="failed"'), 1);
  t.equal(samples('umbra_notifications_delayed')?.get('channel="mail"'), 1);

  const tested = await run('alerts', 'test');
  t.match(
    tested.stdout,
    /^mail: webhook to nowhere: FAILED: mail\\x1b\[31m is down\nhook: webhook to nowhere: delivered\n$/,
  );
  t.equal(tested.code, 11);
  hook.answer = () => Promise.resolve({ notes: ['hello\u0007'] });
  const one = await run('alerts', 'test', 'hook');
  t.equal(one.stdout, 'hook: webhook to nowhere: delivered\n    hello\\x07\n');
  t.equal(one.code, 0);
  t.match(JSON.parse((await run('alerts', 'test', 'hook', '--json')).stdout) as TestAlertsResult, {
    tests: [{ channel: 'hook', notes: ['hello\u0007'] }],
  });
  t.match(await run('alerts', 'test', 'none'), { code: 3, stderr: /There are mail, hook/ });
  t.match(await run('alerts', 'test', '--check'), { code: 2, stderr: /do not go together/ });
  t.match(await run('alerts', 'tset'), { code: 2 });
});

void t.test('a server that tells nobody says so; one that is not there is no answer', async (t) => {
  const { server, store } = await startFakeServer(t);
  t.match((await runUmbra(['alerts'], store)).stdout, /Nobody is told: there is no "notify"/);
  t.match(await runUmbra(['alerts', 'test'], store), { code: 3, stderr: /notify/ });
  await server.stop();
  await server.ended;
  t.match(await runUmbra(['alerts', '--check'], store), { code: 11 });
});
