import t from 'tap';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('prints a script for bash', async (t) => {
  const { code, stdout } = await runUmbra(['completion']);
  t.equal(code, 0);
  t.match(stdout, /complete .* umbra/);
  t.match(stdout, '--get-yargs-completions');
});

void t.test('completes commands and options', async (t) => {
  const commands = await runUmbra(['--get-yargs-completions', 'umbra', 'un']);
  t.match(commands.stdout, /^unmount$/m);
  const options = await runUmbra(['--get-yargs-completions', 'umbra', 'backup', '--']);
  t.match(options.stdout, /--reread/);
});
