import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { lineLog } from '../../../src/system/line-log.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { ManualClock } from '../../kit/manual-clock.js';

void t.test('one JSON object a line', async (t) => {
  const lines: string[] = [];
  const log = lineLog((line) => lines.push(line), new ManualClock(), false);
  log.info('job done', { job: 1, what: 'a\nb' });
  log.error('defect');
  t.same(JSON.parse(lines[0] ?? ''), {
    time: '2026-11-22T10:15:00.000Z',
    level: 'info',
    message: 'job done',
    job: 1,
    what: 'a\nb',
  });
  t.match(JSON.parse(lines[1] ?? ''), { level: 'error', message: 'defect' });
  t.equal(lines[0]?.split('\n').length, 2);
});

void t.test('lines for people', async (t) => {
  const lines: string[] = [];
  const log = lineLog((line) => lines.push(line), new ManualClock(), true);
  log.warn('job failed', { job: 1, hint: undefined });
  t.same(lines, ['2026-11-22T10:15:00.000Z warn: job failed job=1\n']);
});

void t.test('a full disk ends nothing', async (t) => {
  const log = lineLog(
    () => {
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    },
    new ManualClock(),
    false,
  );
  log.info('fine');
  t.pass();
});

void t.test('output goes to the log of the store, and a large one is put aside', async (t) => {
  const store = temporaryDirectory(t);
  const log = join(store, 'server.log');
  writeFileSync(log, 'x'.repeat(1024 * 1024 + 1));
  const module = new URL('../../../src/server/server-log.js', import.meta.url).href;
  const program = `
    const { redirectOutputToLog } = await import(${JSON.stringify(module)});
    redirectOutputToLog(${JSON.stringify(store)});
    (await import('node:fs')).writeSync(1, 'to one\\n');
    (await import('node:fs')).writeSync(2, 'to two\\n');
    process.abort();`;
  t.throws(() => execFileSync(process.execPath, ['--input-type=module', '-e', program], { stdio: 'pipe' }));
  const text = readFileSync(log, 'utf8');
  t.match(text, /^to one\nto two\n/);
  t.equal(statSync(log).mode & 0o777, 0o600);
  t.equal(statSync(`${log}.1`).size, 1024 * 1024 + 1);
});
