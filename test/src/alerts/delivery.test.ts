import t from 'tap';
import { UmbraError } from '../../../src/common/errors.js';
import { MOST_ATTEMPTS, WINDOW_MS } from '../../../src/alerts/delivery.js';
import { AlertLab, FakeChannel, someAlert } from '../../kit/alert-lab.js';

const HOUR_MS = 3_600_000;

function refuse(message = 'it is down'): Promise<never> {
  return Promise.reject(new UmbraError('NOTIFY_FAILED', message));
}

void t.test('what comes together is told at once, once, and not again by the next server', async (t) => {
  const mail = new FakeChannel('mail');
  const lab = new AlertLab([mail]);
  await lab.start();
  for (let index = 0; index < 200; index += 1) lab.book.begin(someAlert(`m${index}`));
  await lab.run(WINDOW_MS - 1);
  t.equal(mail.got.length, 0);
  await lab.run(1);
  t.equal(mail.got.length, 1);
  t.equal(mail.told.length, 200);
  lab.book.begin(someAlert('m3', { text: 'it is worse' }));
  await lab.run(HOUR_MS);
  t.equal(mail.got.length, 1, 'what goes on is no news');
  lab.book.end('data-loss', 'm3', 'm3 is ok again.');
  lab.book.end('data-loss', 'm3', 'm3 is ok again.');
  await lab.run(WINDOW_MS);
  t.same(mail.told.slice(200), ['end data-loss m3']);
  t.match(mail.got[1]?.message.items[0], { text: 'it is worse', endText: 'm3 is ok again.' });
  await lab.stop();
  await lab.start();
  lab.book.begin(someAlert('m4'));
  await lab.run(HOUR_MS);
  t.equal(mail.got.length, 2);
  t.equal(lab.book.active().length, 199);
  t.same(lab.book.subjects('data-loss').length, 199);
  await lab.stop();
  t.equal(lab.clock.nextMs, undefined);
});

void t.test('what begins and ends before anybody was told is told as that', async (t) => {
  const mail = new FakeChannel('mail');
  const lab = new AlertLab([mail]);
  await lab.start();
  lab.book.begin(someAlert('web'));
  lab.book.end('data-loss', 'web', 'web is ok again.');
  await lab.run(WINDOW_MS);
  t.same(mail.told, ['passed data-loss web']);
});

void t.test('a warning that becomes critical is told, once', async (t) => {
  const [all, pager] = [new FakeChannel('all'), new FakeChannel('pager', { severity: 'critical', kinds: ['space'] })];
  const lab = new AlertLab([all, pager]);
  await lab.start();
  const space = (severity: 'warning' | 'critical'): void => {
    lab.book.begin(someAlert('store', { kind: 'space', severity }));
  };
  space('warning');
  lab.book.begin(someAlert('web'));
  await lab.run(WINDOW_MS);
  t.same(all.told, ['begin data-loss web', 'begin space store'], 'the worst is first');
  t.same(pager.told, []);
  space('critical');
  space('warning');
  space('critical');
  await lab.run(WINDOW_MS);
  t.same(all.told.slice(2), ['worse space store']);
  t.same(pager.told, ['worse space store']);
  lab.book.end('space', 'store', 'There is room.');
  await lab.run(WINDOW_MS);
  t.same(pager.told.slice(1), ['end space store']);
});

void t.test(
  'a channel that fails is tried again, ever more rarely, and gets what came meanwhile at once',
  async (t) => {
    const mail = new FakeChannel('mail');
    mail.answer = () => refuse();
    const other = new FakeChannel('other');
    const lab = new AlertLab([mail, other]);
    await lab.start();
    lab.book.begin(someAlert('web'));
    await lab.run(WINDOW_MS);
    const tries = (): number => mail.got.length;
    t.equal(tries(), 1);
    t.same(other.told, ['begin data-loss web'], 'the others do not wait');
    for (const [afterMs, expected] of [
      [29_999, 1],
      [1, 2],
      [60_000, 3],
      [120_000, 4],
    ] as const) {
      await lab.run(afterMs);
      t.equal(tries(), expected);
    }
    t.match(lab.notifier.reports()[0], { sent: 0, failed: 4, trouble: { attempts: 4, error: 'it is down' } });
    for (let index = 0; index < 5; index += 1) {
      lab.book.begin(someAlert('flaps'));
      lab.book.end('data-loss', 'flaps', 'flaps is ok again.');
    }
    lab.book.end('data-loss', 'web', 'web is ok again.');
    await lab.run(4 * HOUR_MS);
    mail.answer = () => Promise.resolve({});
    await lab.run(2 * HOUR_MS);
    t.same(new Set(mail.got.slice(0, -1).map(({ message }) => message.id)).size, 1, 'it is always the same message');
    t.same(mail.told, ['begin data-loss web', 'end data-loss web', ...Array<string>(5).fill('passed data-loss flaps')]);
    t.match(lab.notifier.reports()[0], { sent: 2, trouble: undefined, deliveredMs: Number });
  },
);

void t.test('after the last try it is given up, said and shown; what comes then is told', async (t) => {
  const mail = new FakeChannel('mail');
  mail.answer = () => refuse('no\r\nway');
  const lab = new AlertLab([mail]);
  await lab.start();
  lab.book.begin(someAlert('web'));
  await lab.run(100 * HOUR_MS);
  t.equal(mail.got.length, MOST_ATTEMPTS);
  const lastMs = mail.got.at(-1)?.message.madeMs;
  t.equal(lastMs, mail.got[0]?.message.madeMs);
  t.match(lab.notifier.reports()[0]?.givenUp, { error: 'no\\x0d\\x0away' });
  t.equal(lab.said.filter(([text]) => text === 'a channel was not told, and it is not tried again').length, 1);
  mail.answer = () => Promise.resolve({});
  lab.book.begin(someAlert('db'));
  await lab.run(WINDOW_MS);
  t.same(mail.told.slice(-1), ['begin data-loss db']);
});

void t.test('a channel that hangs is given its time, and holds nobody up', async (t) => {
  const [hangs, other] = [new FakeChannel('hangs'), new FakeChannel('other')];
  hangs.answer = () => new Promise(() => undefined);
  const lab = new AlertLab([hangs, other]);
  await lab.start();
  lab.book.begin(someAlert('web'));
  await lab.run(WINDOW_MS + 29_999);
  t.equal(other.got.length, 1);
  t.equal(lab.notifier.reports()[0]?.trouble, undefined);
  await lab.run(1);
  t.match(lab.notifier.reports()[0]?.trouble, { error: 'no answer within 30 s' });
  await lab.run(30_000);
  t.equal(hangs.got.length, 2);
  const stopped = lab.stop();
  await lab.run(5_000);
  await stopped;
  await lab.start();
  t.match(lab.notifier.reports()[0]?.trouble, { attempts: 1 }, 'a server that ends counts no try');
  await lab.run(HOUR_MS);
  t.equal(new Set(hangs.got.map(({ message }) => message.id)).size, 1);
});

void t.test('a server that ends lets what is told come to its end', async (t) => {
  const mail = new FakeChannel('mail');
  const lab = new AlertLab([mail]);
  mail.answer = () =>
    new Promise((resolve) => {
      lab.clock.after(2_000, () => {
        resolve({});
      });
    });
  await lab.start();
  lab.book.begin(someAlert('web'));
  await lab.run(WINDOW_MS);
  lab.book.begin(someAlert('db'));
  const stopped = lab.stop();
  await lab.run(3_000);
  await stopped;
  mail.answer = () => Promise.resolve({});
  await lab.start();
  await lab.run(HOUR_MS);
  t.equal(mail.got.length, 2);
  t.same(mail.told, ['begin data-loss web', 'begin data-loss db']);
});

void t.test('recipients that were refused for now are told alone', async (t) => {
  const mail = new FakeChannel('mail');
  mail.answer = () => Promise.resolve({ left: ['b@x', 'c@x'], notes: ['refused for d@x: no such user'] });
  const lab = new AlertLab([mail]);
  await lab.start();
  lab.book.begin(someAlert('web'));
  await lab.run(WINDOW_MS);
  mail.answer = () => refuse();
  await lab.run(30_000);
  mail.answer = () => Promise.resolve({});
  await lab.run(HOUR_MS);
  t.same(
    mail.got.map(({ only }) => only),
    [undefined, ['b@x', 'c@x'], ['b@x', 'c@x']],
  );
  t.equal(new Set(mail.got.map(({ message }) => message.id)).size, 1);
  t.ok(lab.said.some(([, fields]) => fields?.['note'] === 'refused for d@x: no such user'));
  const ids = new Set(lab.said.flatMap(([, fields]) => fields?.['id'] ?? []));
  t.same([...ids], [mail.got[0]?.message.id]);
  t.notOk(
    lab.said.some(([, fields]) => fields !== undefined && 'message' in fields),
    'a log has a field of that name',
  );
});

void t.test('a new channel is told what goes on, and nothing of before; one that is gone is forgotten', async (t) => {
  const [mail, hook] = [new FakeChannel('mail'), new FakeChannel('hook')];
  mail.answer = () => refuse();
  const lab = new AlertLab([mail]);
  await lab.start();
  lab.book.begin(someAlert('old'));
  lab.book.end('data-loss', 'old', 'old is ok again.');
  lab.book.begin(someAlert('web'));
  await lab.run(WINDOW_MS);
  await lab.stop();
  await lab.start([]);
  t.same(lab.book.channelNames(), ['mail'], 'a server that tells nobody forgets nothing');
  await lab.stop();
  await lab.start([hook]);
  t.same(lab.book.channelNames(), ['hook']);
  await lab.run(WINDOW_MS);
  t.same(hook.told, ['begin data-loss web']);
  lab.book.end('data-loss', 'web', 'web is ok again.');
  await lab.run(WINDOW_MS);
  t.same(hook.told.slice(1), ['end data-loss web']);
});

void t.test('a message lists so many alerts, and says how many more there are', async (t) => {
  const mail = new FakeChannel('mail');
  const lab = new AlertLab([mail], 5);
  await lab.start();
  lab.book.begin(someAlert('first'));
  await lab.run(WINDOW_MS);
  for (let index = 0; index < 1200; index += 1) lab.book.begin(someAlert(`m${index}`, { facts: {} }));
  for (let index = 0; index < 8; index += 1) {
    lab.book.begin(someAlert('flaps'));
    lab.book.end('data-loss', 'flaps', 'flaps is ok again.');
  }
  await lab.run(WINDOW_MS);
  const { items = [], more } = mail.got[1]?.message ?? {};
  t.equal(items.length, 1000);
  t.equal(more, 208, 'those that are kept no longer are counted');
  t.equal(lab.book.ended().length, 5);
  const long = 'x'.repeat(500);
  for (let index = 0; index < 600; index += 1)
    lab.book.begin(someAlert(`n${index}`, { text: long, advice: long, facts: { long } }));
  await lab.run(WINDOW_MS);
  const second = mail.got[2]?.message;
  t.ok(JSON.stringify(second).length < 600_000);
  t.equal((second?.items.length ?? 0) + (second?.more ?? 0), 600);
});

void t.test('channels are tried without an alert', async (t) => {
  const [good, bad, hangs] = [new FakeChannel('good'), new FakeChannel('bad'), new FakeChannel('hangs')];
  good.answer = () => Promise.resolve({ notes: ['hello'] });
  bad.answer = () => Promise.resolve({ left: ['b@x'] });
  hangs.answer = () => new Promise(() => undefined);
  const lab = new AlertLab([good, bad, hangs]);
  await lab.start();
  const tests = lab.notifier.test(undefined);
  await lab.run(30_000);
  t.same(
    (await tests).map(({ channel: { name }, error, notes }) => [name, error, notes]),
    [
      ['good', undefined, ['hello']],
      ['bad', 'not accepted for b@x', []],
      ['hangs', 'no answer within 30 s', []],
    ],
  );
  t.match(good.got[0]?.message, { isTest: true, items: [] });
  t.equal((await lab.notifier.test('good')).length, 1);
  await t.rejects(lab.notifier.test('none\n'), { code: 'NOT_FOUND', hint: 'There are good, bad, hangs.' });
  await lab.start([]);
  await t.rejects(lab.notifier.test(undefined), { code: 'NOT_FOUND', hint: /notify/ });
  await t.rejects(lab.notifier.test('good'), { code: 'NOT_FOUND', hint: /notify/ });
});
