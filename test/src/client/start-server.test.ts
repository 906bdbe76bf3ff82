import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startServer } from '../../../src/client/start-server.js';
import { ask } from '../../kit/api-client.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const PROGRAM = fileURLToPath(new URL('../../kit/fake-server.js', import.meta.url));
const IDLE = { program: PROGRAM, idleExitMs: 600_000 };

void t.test('the server answers when it is started', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  await startServer({ ...IDLE, store, create: { mode: 'may' } });
  t.equal((await ask(store, 'GET', '/v1/stats')).status, 200);
  await ask(store, 'POST', '/v1/stop');
});

void t.test('why it could not start is told with its code', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  await t.rejects(startServer({ ...IDLE, store }), { code: 'STORE_NOT_FOUND' });
  mkdirSync(store, { mode: 0o700 });
  writeFileSync(join(store, 'format'), 'something else');
  await t.rejects(startServer({ ...IDLE, store }), { code: 'STORE_FOREIGN' });
  writeFileSync(join(store, 'format'), 'fake');
  writeFileSync(join(store, 'fail-late'), '');
  await t.rejects(startServer({ ...IDLE, store }), { code: 'STORE_FAILED', message: 'the disk is broken' });
});

void t.test('its young generation is small', async (t) => {
  const store = temporaryDirectory(t);
  const program = join(store, 'grows.cjs');
  writeFileSync(
    program,
    `let kept = [];
    for (let index = 0; index < 1e6; index++) {
      kept.push({ index, more: [index] });
      if (kept.length > 20_000) kept = [];
    }
    const space = require('v8').getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
    require('fs').writeFileSync(${JSON.stringify(join(store, 'bytes'))}, String(space.space_size));
    require('fs').writeSync(3, '{"ready":true}\\n');`,
  );
  await startServer({ store, program, idleExitMs: 100 });
  t.ok(Number(readFileSync(join(store, 'bytes'), 'utf8')) <= 8 * 1024 * 1024);
});

void t.test('a program that dies is told with its last words', async (t) => {
  const store = temporaryDirectory(t);
  const program = join(store, 'dies.cjs');
  writeFileSync(program, 'process.stderr.write("no such luck\\n"); process.exit(7);');
  await t.rejects(startServer({ store, program, idleExitMs: 100 }), {
    code: 'SERVER_UNREACHABLE',
    message: /exit code 7\nno such luck/,
  });
  await t.rejects(startServer({ store, program: join(store, 'missing.cjs'), idleExitMs: 100 }), {
    code: 'SERVER_UNREACHABLE',
    message: /Cannot find module/,
  });
});

void t.test('one that crashes is started once more, since the next may know why', async (t) => {
  const store = temporaryDirectory(t);
  const tries = join(store, 'tries');
  const program = (name: string, ends: string): string => {
    const file = join(store, `${name}.cjs`);
    writeFileSync(file, `const fs = require('fs'); fs.appendFileSync('${tries}', '${name} '); ${ends}`);
    return file;
  };
  const start = (file: string, mode: 'may' | 'must' = 'may'): Promise<void> =>
    startServer({ store, program: file, idleExitMs: 100, create: { mode } });
  const crash = `process.kill(process.pid, 'SIGABRT');`;
  const answer = String.raw`fs.writeSync(3, '{"ready":true}\n');`;
  await start(program('second', `if (fs.readFileSync('${tries}', 'utf8') === 'second ') ${crash} else ${answer}`));
  await t.rejects(start(program('never', crash)), { code: 'SERVER_UNREACHABLE', message: /SIGABRT/ });
  await t.rejects(start(program('killed', `process.kill(process.pid, 'SIGKILL');`)), { message: /SIGKILL/ });
  await t.rejects(start(program('makes', crash), 'must'), { message: /SIGABRT/ });
  t.equal(readFileSync(tries, 'utf8'), 'second second never never killed makes ');
});
