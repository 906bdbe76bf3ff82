import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { takeState } from '../../../agent/run/state-directory.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MODULE = fileURLToPath(new URL('../../../agent/run/state-directory.js', import.meta.url));

t.test('one agent at a time', async (t) => {
  const directory = temporaryDirectory(t);
  const giveBack = await takeState(directory);
  await t.rejects(takeState(directory), { code: 'AGENT_RUNNING', message: /another agent runs with the state in/ });
  await giveBack();
  const again = await takeState(directory);
  await again();
  await t.rejects(takeState(join(directory, 'missing')), { code: 'ENOENT' });
});

t.test('one that is killed keeps nobody out', async (t) => {
  const directory = temporaryDirectory(t);
  const program = `
    import { takeState } from ${JSON.stringify(MODULE)};
    await takeState(${JSON.stringify(directory)});
    process.kill(process.pid, 'SIGKILL');`;
  const env = { PATH: process.env['PATH'] };
  t.throws(() => execFileSync(process.execPath, ['--input-type=module', '-e', program], { env, stdio: 'ignore' }));
  const giveBack = await takeState(directory);
  await giveBack();
});

t.test('what an agent had begun to write of machines is taken away, and nothing else', async (t) => {
  const directory = temporaryDirectory(t);
  const stays = [
    'machines/web/overlays.json',
    'machines/db.new/files.json',
    'fingerprints/web/disk.new',
    'devices.new',
  ];
  const goes = ['machines/web/overlays.json.new', 'machines/db.new/scan.json.new'];
  for (const file of [...stays, ...goes]) {
    mkdirSync(join(directory, file, '..'), { recursive: true });
    writeFileSync(join(directory, file), '');
  }
  mkdirSync(join(directory, 'machines', 'web', 'filter.new'));
  const giveBack = await takeState(directory);
  t.same(
    stays.filter((file) => !existsSync(join(directory, file))),
    [],
  );
  t.same(
    goes.filter((file) => existsSync(join(directory, file))),
    [],
  );
  t.ok(existsSync(join(directory, 'machines', 'web', 'filter.new')));
  await giveBack();
});
