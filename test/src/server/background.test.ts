import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { temporaryDirectory } from '../../kit/temporary.js';

const PROGRAM = fileURLToPath(new URL('../../kit/fake-server.js', import.meta.url));

function outcome(argument: string): { status: number | null; line: string } {
  const { status, output } = spawnSync(process.execPath, [PROGRAM, argument], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  return { status, line: String(output[3]) };
}

void t.test('wrong options are told on the pipe', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  for (const options of [
    {},
    { store, idleExitMs: 'x' },
    { store: 'relative', idleExitMs: 1 },
    { store, idleExitMs: 1, more: 1 },
  ]) {
    const { status, line } = outcome(JSON.stringify(options));
    t.equal(status, 1);
    t.match(JSON.parse(line), { error: { code: 'BAD_ARGUMENT' } });
  }
  t.match(JSON.parse(outcome('{').line), { error: { code: 'INTERNAL' } });
});

void t.test('a server that is ready says so and ends by itself', async (t) => {
  const store = join(temporaryDirectory(t), 'store');
  const options = { store, idleExitMs: 50, create: { mode: 'may', codec: 'lz4', level: 1, seed: '0'.repeat(16) } };
  t.same(outcome(JSON.stringify(options)), { status: 0, line: '{"ready":true}\n' });
});
