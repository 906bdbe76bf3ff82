import t from 'tap';
import { COMMANDS } from '../../../src/cli/registry.js';
import { runUmbra } from '../../kit/run-umbra.js';

void t.test('umbra alone shows every command by task', async (t) => {
  const { code, stdout, stderr } = await runUmbra([]);
  t.equal(code, 0);
  t.equal(stderr, '');
  for (const { name, summary } of COMMANDS) t.match(stdout, new RegExp(`^  ${name} +${summary}$`, 'm'));
  for (const line of [['--help'], ['-h'], ['help']]) t.equal((await runUmbra(line)).stdout, stdout);
});

void t.test('every command explains itself', async (t) => {
  for (const { name } of COMMANDS) {
    const { code, stdout, stderr } = await runUmbra([name, '--help']);
    t.equal(code, 0);
    t.equal(stderr, '');
    t.match(stdout, new RegExp(`^Usage: umbra ${name}`));
    t.match(stdout, /\nExamples:\n {2}umbra/, name);
    t.match(stdout, /\nOptions:\n/, name);
    t.ok(
      stdout
        .trimEnd()
        .split('\n')
        .every((line) => line.length <= 100),
      `${name} fits`,
    );
    t.equal((await runUmbra(['help', name])).stdout, stdout, 'help COMMAND is the same');
  }
});

void t.test('versions', async (t) => {
  t.match((await runUmbra(['--version'])).stdout, /^umbra \d+\.\d+\.\d+\n$/);
});

void t.test('unknown commands and options are usage errors with a suggestion', async (t) => {
  t.match(await runUmbra(['lsit']), {
    code: 2,
    stdout: '',
    stderr: 'umbra: there is no command "lsit"\nDid you mean "umbra list"?\n',
  });
  t.match(await runUmbra(['snapshots']), { code: 2, stderr: /"umbra" alone lists/ });
  t.match(await runUmbra(['list', '--jsn'], '/nowhere'), { code: 2, stderr: /Did you mean --json/ });
  t.match(await runUmbra(['--jsn']), { code: 2 });
  t.match(await runUmbra(['help', 'lsit']), { code: 2 });
});

void t.test('with --json an error is the one document, and the words are on standard error', async (t) => {
  const { code, stdout, stderr } = await runUmbra(['list', 'a/b', '--json'], '/nowhere');
  t.equal(code, 2);
  t.match(JSON.parse(stdout), { error: { code: 'BAD_NAME', message: String, hint: String } });
  t.match(stderr, /^umbra: "a\/b" is not a machine name\n/);
});

void t.test('the default store is named on standard error', async (t) => {
  const { code, stderr } = await runUmbra(['list'], undefined);
  t.equal(code, 3);
  t.match(stderr, /^using the store \/nowhere\/.local\/share\/umbra\numbra: there is no store at/);
  t.match((await runUmbra(['stop'], undefined, { isRoot: true })).stderr, /^using the store \/var\/lib\/umbra\n/);
});

void t.test('the time until a server ends must be a number', async (t) => {
  const variables = { UMBRA_STORE: '/nowhere', UMBRA_IDLE_SECONDS: 'soon' };
  t.match(await runUmbra(['list'], undefined, { variables }), { code: 2, stderr: /UMBRA_IDLE_SECONDS/ });
});
