import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { runCommand } from '../../../../src/alerts/channels/command.js';
import { someItem, someMessage } from '../../../kit/some-message.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const LONG_MS = 60_000;

void t.test('a command gets JSON and words, and no shell', async (t) => {
  const directory = temporaryDirectory(t);
  const script = (text: string): string => {
    const file = join(directory, 'run.sh');
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  };
  const run = (text: string, message = someMessage(), limit = AbortSignal.timeout(LONG_MS), ...rest: string[]) =>
    runCommand({ run: [script(text), ...rest] }, message, { signal: limit });
  const out = join(directory, 'out');

  t.same(
    await run(`cat > ${out}; echo "$1" >> ${out}; env | sort >> ${out}`, someMessage(), undefined, '$(id) `id`'),
    {},
  );
  const [json = '', argument, ...environment] = readFileSync(out, 'utf8').split('\n');
  t.match(JSON.parse(json), { id: someMessage().id, alerts: [{ subject: 'web' }] });
  t.equal(argument, '$(id) `id`');
  const expected = ['COUNT=1', 'EVENT=begin', 'KIND=data-loss', 'SEVERITY=critical', 'SUBJECT=web', 'STORE=/srv/umbra'];
  for (const line of expected) t.ok(environment.includes(`UMBRA_ALERT_${line}`), line);
  t.notOk(
    environment.some((line) => line.startsWith('HOME=')),
    'it knows nothing of who runs the server',
  );

  const items = Array.from({ length: 1000 }, (_, index) =>
    someItem({ subject: `m${index}`, text: 'x'.repeat(400), severity: 'warning' }),
  );
  t.same(await run('echo "$UMBRA_ALERT_SUBJECT $UMBRA_ALERT_COUNT"', someMessage({ items, more: 7 })), {
    notes: ['several 1007'],
  });
  t.same(await run('exec 0<&-; exit 0', someMessage({ items })), {}, 'it need not read');
  t.match((await run('printf "\\033[31mred\\n"; echo more >&2')).notes, [/^\\x1b\[31mred/]);
  t.same(await run('echo $UMBRA_ALERT_KIND', someMessage({ isTest: true, items: [] })), { notes: ['test'] });

  t.test('what fails says why', async (t) => {
    const fails = async (work: Promise<unknown>, why: RegExp): Promise<void> => {
      await t.rejects(work, { code: 'NOTIFY_FAILED', message: why });
    };
    await fails(run('echo no >&2; exit 3'), /^the command .*run\.sh ended with exit code 3: no$/);
    const flood = run(
      'while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done',
      undefined,
      AbortSignal.timeout(300),
    );
    await fails(flood, /ended with SIGKILL: y/);
    await t.rejects(flood, { message: /^.{0,600}$/ });
    const signal = AbortSignal.timeout(LONG_MS);
    await fails(runCommand({ run: ['/nowhere/page'] }, someMessage(), { signal }), /cannot be run: .*ENOENT/);
    await fails(runCommand({ run: [directory] }, someMessage(), { signal }), /cannot be run: .*EACCES/);
    await t.rejects(run('exit 0', undefined, AbortSignal.abort()));
  });

  t.test('one that hangs is killed with what it started', async (t) => {
    const file = join(directory, 'alive');
    const hangs = run(`(sleep 1; touch ${file}) & sleep 100`, undefined, AbortSignal.timeout(200));
    await t.rejects(hangs, { message: /SIGKILL/ });
    await sleep(1200);
    t.notOk(existsSync(file));
    t.same(await run('sleep 100 & exit 0'), {}, 'what it left behind is not waited for');
  });
});
