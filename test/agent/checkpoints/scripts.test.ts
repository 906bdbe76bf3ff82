import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { runScript, type ScriptRun } from '../../../agent/checkpoints/scripts.js';
import { systemClock } from '../../../src/common/clock.js';
import { temporaryDirectory } from '../../kit/temporary.js';

function script(t: Test, text: string): ScriptRun {
  const path = join(temporaryDirectory(t), 'script');
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return { path, machine: 'web1', phase: 'before', timeoutMs: 20_000, clock: systemClock };
}

t.test('a script knows machine and phase, and no secrets of ours', async (t) => {
  process.env['UMBRA_TEST_SECRET'] = 'x';
  const run = script(t, 'echo "$UMBRA_MACHINE $UMBRA_PHASE $UMBRA_TEST_SECRET" > "$0.out"');
  await runScript(run);
  t.equal(readFileSync(`${run.path}.out`, 'utf8'), 'web1 before \n');
});

t.test('failures say what it was', async (t) => {
  const failing = script(t, 'echo "no \u001b database" >&2; head -c 100000 /dev/zero >&2; exit 3');
  await t.rejects(runScript(failing), { code: 'SCRIPT_FAILED', message: /ended with exit code 3: no \\x1b database/ });
  await t.rejects(runScript(script(t, 'kill -9 $$')), { message: /ended with SIGKILL/ });
  await t.rejects(runScript({ ...failing, path: '/nonexistent' }), { message: /cannot be run/ });
  await t.rejects(runScript({ ...failing, path: 'script' }), { message: /no absolute path/ });
});

t.test('one that does not end is killed with all it started', async (t) => {
  const run = script(t, '(sleep 1000; echo alive > "$0.out") & echo $! > "$0.pid"; wait');
  const ended = runScript({ ...run, timeoutMs: 1500 });
  await t.rejects(ended, { code: 'SCRIPT_FAILED', message: /did not end within 1500 ms/ });
  const pid = readFileSync(`${run.path}.pid`, 'utf8').trim();
  while (existsSync(`/proc/${pid}`) && !/State:\s+Z/.test(readFileSync(`/proc/${pid}/status`, 'utf8')))
    await setTimeout(5);
  t.notOk(existsSync(`${run.path}.out`));
});

t.test('what it leaves in the background does not hold us', async (t) => {
  const run = script(t, 'sleep 1000 & echo $! > "$0.pid"');
  await runScript(run);
  process.kill(Number(readFileSync(`${run.path}.pid`, 'utf8')));
  t.pass();
});
