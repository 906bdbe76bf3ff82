import t from 'tap';
import { AlertBook } from '../../../src/alerts/alert-book.js';
import { alertStoreOf } from '../../../src/alerts/alert-store.js';
import { UmbraError } from '../../../src/common/errors.js';
import { silentLog } from '../../../src/common/log.js';
import { AlertRecords } from '../../../src/store/alert-records.js';
import { openFaultyKv } from '../../../src/store/faulty-kv.js';
import { FaultQueue } from '../../../src/store/faults.js';
import { alertKey, channelKey } from '../../../src/store/keys.js';
import { openMemoryKv } from '../../../src/store/memory-kv.js';
import { packRecord, withCheck } from '../../../src/store/checked.js';
import { someAlert } from '../../kit/alert-lab.js';
import { ManualClock } from '../../kit/manual-clock.js';

const FAILED = new UmbraError('STORE_FAILED', 'the disk is broken');

function lab(options: { readonly mostActive?: number } = {}) {
  const clock = new ManualClock();
  const said: string[] = [];
  const take = (message: string): void => {
    said.push(message);
  };
  const log = { ...silentLog, info: take, warn: take, error: take };
  return { clock, said, book: new AlertBook({ clock, log, ...options }), log };
}

void t.test('what is told before the store is open is not lost', async (t) => {
  const { book, said } = lab();
  const records = new AlertRecords(openMemoryKv());
  book.begin(someAlert('web'));
  book.begin(someAlert('db'));
  book.end('data-loss', 'db', 'db is ok again.');
  t.same(book.active(), []);
  await book.open(alertStoreOf(() => records));
  t.same(book.subjects('data-loss'), ['web']);
  await book.flush();
  t.equal((await records.alerts()).length, 2);
  t.same(said, ['alert', 'alert', 'alert ended']);
});

void t.test('what can not be read, or is damaged, is as if it were not there', async (t) => {
  const faults = new FaultQueue();
  const kv = openFaultyKv(openMemoryKv(), faults);
  const store = alertStoreOf(() => new AlertRecords(kv));
  const first = lab();
  await first.book.open(store);
  for (const name of ['web', 'db', 'mail']) first.book.begin(someAlert(name));
  first.book.noteChannel('hook', { told: 3, missed: 0 }, undefined);
  await first.book.close();

  const put = async (key: Buffer, fields: object): Promise<void> => {
    await kv.write([{ type: 'put', key, value: withCheck(key, packRecord(fields)) }], { sync: true });
  };
  await kv.write([{ type: 'put', key: alertKey(1), value: Buffer.from('damaged') }], { sync: true });
  await put(alertKey(2), { kind: 'of-a-newer-version' });
  await put(channelKey('mail', 'state'), { told: 'much' });
  await put(channelKey('hook', 'message'), { id: 7 });
  await put(Buffer.from('a short key'), {});
  const second = lab();
  await second.book.open(store);
  t.same(second.book.subjects('data-loss'), ['mail']);
  t.same(second.book.channelNames(), ['hook']);
  t.equal(second.book.message('hook'), undefined);

  faults.push({ on: 'entries', error: FAILED });
  const third = lab();
  await third.book.open(store);
  faults.assertAllFired();
  t.same(third.book.active(), []);
  t.same(third.said, ['alerts cannot be read']);
});

void t.test('what can not be written is written later, and what a rebuilt store has lost again', async (t) => {
  const faults = new FaultQueue();
  let records = new AlertRecords(openFaultyKv(openMemoryKv(), faults));
  const { book, clock, said } = lab();
  await book.open(alertStoreOf(() => records));
  faults.push({ on: 'write', error: FAILED, times: 2 });
  book.begin(someAlert('web'));
  const state = { told: 1, missed: 0 };
  const message = { id: 'm', madeMs: 1, server: 's', store: '/s', items: [], more: 0, isTest: false };
  book.noteChannel('mail', state, message);
  await book.flush();
  faults.assertAllFired();
  t.same(said, ['alert', 'alerts are not noted', 'alerts are not noted']);
  t.same(await records.alerts(), []);
  clock.advance(60_000);
  await book.flush();
  t.equal((await records.alerts()).length, 1);
  book.noteChannel('mail', undefined, undefined);
  await book.flush();
  t.same(await records.channels(), []);
  book.noteChannel('mail', state, message);
  await book.flush();

  records = new AlertRecords(openMemoryKv());
  await book.flush();
  t.equal((await records.alerts()).length, 1);
  t.same(
    (await records.channels()).map(({ channel, part }) => `${channel} ${part}`),
    ['mail state', 'mail message'],
  );
  await book.close();
  book.end('data-loss', 'web', 'web is ok again.');
  await book.flush();
  t.notOk('ended' in ((await records.alerts())[0]?.fields ?? {}), 'nothing is written once it is closed');
});

void t.test('texts are bounded, one line, and act on no terminal', async (t) => {
  const { book } = lab({ mostActive: 4 });
  await book.open(alertStoreOf(() => new AlertRecords(openMemoryKv())));
  const facts = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`f${index}${'n'.repeat(99)}`, 'v'.repeat(999)]),
  );
  book.begin(
    someAlert('web\r\nBcc: all@x', {
      text: `\u001b[2J${'x'.repeat(5000)}\ud83d`,
      advice: '\u202e \0',
      facts: { ...facts, nan: 1 },
    }),
  );
  const [alert] = book.active();
  t.equal(alert?.subject, 'web\\x0d\\x0aBcc: all@x');
  t.match(alert?.text, /^\\x1b\[2Jx+…$/);
  t.ok((alert?.text.length ?? 0) <= 500);
  t.equal(alert?.advice, '\\xe2\\x80\\xae \\x00');
  t.equal(Object.keys(alert?.facts ?? {}).length, 16);
  t.ok(JSON.stringify(alert?.facts).length < 5000);
  book.end('data-loss', 'web\r\nBcc: all@x', ' ');
  t.match(book.ended(), [{ endText: '-' }]);
  book.begin(someAlert('sum', { facts: { sum: NaN, yes: true } }));
  t.same(book.active()[0]?.facts, { sum: 'NaN', yes: true });
  for (let index = 0; index < 5; index += 1) book.begin(someAlert(`m${index}`));
  t.equal(book.active().length, 4, 'there is enough to do');
});
