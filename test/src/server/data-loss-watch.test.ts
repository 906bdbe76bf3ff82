import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog, type LogFields } from '../../../src/common/log.js';
import { dataLossOf } from '../../../src/policies/data-loss.js';
import type { WatchedMachine } from '../../../src/scheduler/fleet.js';
import { dataLossFamilies } from '../../../src/server/data-loss-metrics.js';
import { DataLossWatch } from '../../../src/server/data-loss-watch.js';
import { familiesText } from '../../../src/server/metric-family.js';
import { ManualClock } from '../../kit/manual-clock.js';
import { RecordedAlerts } from '../../kit/recorded-alerts.js';
import { parsePrometheus } from '../../kit/prometheus.js';

const MINUTE_MS = 60_000;

/** A watch over machines with the times of their newest shadow copies, and what it has logged. */
function lab(dataLossMs: number) {
  const clock = new ManualClock();
  const newest = new Map<string, number>();
  const said: [string, LogFields | undefined][] = [];
  let looks = 0;
  let isRebuilt = false;
  const take = (message: string, fields?: LogFields): void => {
    said.push([message, fields]);
  };
  const machines = (only?: string): readonly WatchedMachine[] => {
    looks += only === undefined ? 1 : 0;
    if (isRebuilt) throw new UmbraError('STORE_IN_USE', 'the store is rebuilt');
    const meant = [...newest].filter(([machine]) => only === undefined || machine === only);
    return meant.map(([machine, timeMs]) => {
      const found = { name: `copy-${timeMs}`, timeMs };
      return { machine, host: 'hv1', newest: found, ...dataLossOf({ newest: found, dataLossMs }, clock.now()) };
    });
  };
  const alerts = new RecordedAlerts();
  const watch = new DataLossWatch({ machines, alerts, clock, log: { ...silentLog, info: take, warn: take } });
  return {
    clock,
    newest,
    watch,
    alerts,
    looks: () => looks,
    rebuild: (is: boolean) => (isRebuilt = is),
    said: () => said.splice(0).map(([message, fields]) => `${message}: ${String(fields?.['machine'])}`),
  };
}

const BEGUN = 'data loss beyond what is acceptable';
const ENDED = 'data loss acceptable again';

void t.test('a breach is logged once when it begins and once when it ends, at the moment', async (t) => {
  const { clock, newest, watch, alerts, looks, said } = lab(30 * MINUTE_MS);
  newest.set('db', clock.now()).set('web', clock.now() - 20 * MINUTE_MS);
  watch.look();
  clock.advance(10 * MINUTE_MS);
  t.same(said(), []);
  t.equal(looks(), 1, 'nobody looks while nothing changes');
  clock.advance(1);
  t.same(said(), [`${BEGUN}: web`]);
  clock.advance(15 * MINUTE_MS);
  newest.set('db', clock.now());
  watch.look();
  t.same(said(), [], 'it is still the same breach');
  newest.set('web', clock.now());
  watch.look();
  t.same(said(), [`${ENDED}: web`]);
  clock.advance(31 * MINUTE_MS);
  t.same(said(), [`${BEGUN}: db`, `${BEGUN}: web`], 'another one is another one');
  newest.delete('db');
  watch.look();
  t.same(said(), [`${ENDED}: db`], 'what is not protected any more is in no breach');
  t.same(alerts.announced, [
    'begin data-loss web',
    'end data-loss web',
    'begin data-loss db',
    'begin data-loss web',
    'end data-loss db',
  ]);
  t.match(alerts.active.get('data-loss web'), {
    severity: 'critical',
    text: 'web has a newest shadow copy of 31min; its policy accepts 30min.',
    facts: { host: 'hv1', acceptableSeconds: 1800 },
  });
  watch.stop();
  t.equal(clock.nextMs, undefined);
  watch.look();
  t.equal(clock.nextMs, undefined);
});

void t.test('what has happened to one machine has nobody look at the others', (t) => {
  const { clock, newest, watch, looks, rebuild, said } = lab(30 * MINUTE_MS);
  newest.set('db', clock.now()).set('web', clock.now());
  watch.look();
  newest.set('web', clock.now() - 40 * MINUTE_MS).set('db', 0);
  watch.lookAt('web');
  t.same(said(), [`${BEGUN}: web`]);
  newest.set('web', clock.now() - 25 * MINUTE_MS);
  watch.lookAt('web');
  t.same(said(), [`${ENDED}: web`]);
  t.equal(looks(), 1);
  newest.set('db', clock.now());
  clock.advance(5 * MINUTE_MS + 1);
  t.same(said(), [`${BEGUN}: web`], 'it wakes when the next breach begins, which is sooner now');
  newest.delete('web');
  watch.lookAt('web');
  t.same(said(), [`${ENDED}: web`], 'it is not protected any more');
  clock.advance(25 * MINUTE_MS);
  t.same(said(), [`${BEGUN}: db`], 'the others are not forgotten');
  rebuild(true);
  watch.lookAt('db');
  t.same(said(), ['data loss is not watched: undefined']);
  rebuild(false);
  watch.stop();
  newest.set('db', clock.now());
  watch.lookAt('db');
  t.same(said(), []);
  t.end();
});

void t.test('what a server before told of is ended by the one that finds it over', async (t) => {
  const { clock, newest, watch, alerts } = lab(MINUTE_MS);
  for (const subject of ['web', 'gone']) {
    alerts.begin({ kind: 'data-loss', subject, severity: 'critical', text: '', advice: '', facts: {} });
  }
  alerts.take();
  newest.set('web', clock.now()).set('old', clock.now() - 50 * 60 * MINUTE_MS);
  watch.look();
  t.same(alerts.take(), ['end data-loss web', 'begin data-loss old', 'end data-loss gone']);
  t.match(alerts.active.get('data-loss old')?.text, /of 2d; its policy accepts 1min/);
  watch.stop();
});

void t.test('it looks again after an hour at the latest, and after the store could not be asked', async (t) => {
  const { clock, newest, watch, looks, rebuild, said } = lab(1000 * 60 * MINUTE_MS);
  newest.set('web', clock.now());
  watch.look();
  clock.advance(3 * 60 * MINUTE_MS);
  t.equal(looks(), 4);
  rebuild(true);
  watch.look();
  t.same(said(), ['data loss is not watched: undefined']);
  rebuild(false);
  newest.set('web', 0);
  clock.advance(60 * MINUTE_MS);
  t.same(said(), [`${BEGUN}: web`]);
});

void t.test('figures: ages of a bounded number of machines, the worst, and how many are in which state', async (t) => {
  const unknown: WatchedMachine = { machine: 'new', host: 'hv1', acceptableMs: 1000, state: 'breach' };
  const known = Array.from({ length: 5000 }, (_, index): WatchedMachine => {
    return { machine: `m${index}`, host: 'hv1', ageMs: 1500, acceptableMs: 6000, state: 'ok' };
  });
  const figures = parsePrometheus(familiesText(dataLossFamilies([unknown, ...known])));
  const samples = (name: string): ReadonlyMap<string, number> | undefined => figures.get(name)?.samples;
  t.equal(samples('umbra_data_loss_age_seconds')?.get('machine="m0"'), 1.5);
  t.notOk(samples('umbra_data_loss_age_seconds')?.has('machine="new"'));
  t.equal(samples('umbra_data_loss_acceptable_seconds')?.get('machine="new"'), 1);
  t.equal(samples('umbra_data_loss_acceptable_seconds')?.size, 4096);
  t.same(
    [...(samples('umbra_data_loss_machines') ?? [])],
    [
      ['state="ok"', 5000],
      ['state="late"', 0],
      ['state="breach"', 1],
    ],
  );
});
