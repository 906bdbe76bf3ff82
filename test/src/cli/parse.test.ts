import t from 'tap';
import { command as backup } from '../../../src/cli/commands/backup.js';
import { command as diff } from '../../../src/cli/commands/diff.js';
import { command as forget } from '../../../src/cli/commands/forget.js';
import { command as list } from '../../../src/cli/commands/list.js';
import { command as restore } from '../../../src/cli/commands/restore.js';
import { parseCommandLine } from '../../../src/cli/parse.js';

async function argsOf(name: string, command: typeof backup, ...line: string[]): Promise<Record<string, unknown>> {
  const parsed = await parseCommandLine(name, command, [name, ...line], undefined);
  return 'args' in parsed ? { ...parsed.args } : parsed;
}

void t.test('positionals and options', async (t) => {
  t.match(await argsOf('backup', backup, '007', '1e3', '--name', 'vda=x', 'b', '--name=vdb=y', '--reread'), {
    MACHINE: '007',
    IMAGE: ['1e3', 'b'],
    name: ['vda=x', 'vdb=y'],
    reread: true,
  });
  t.match(await argsOf('list', list, '--store', '/s', '--json'), { store: '/s', json: true, MACHINE: undefined });
});

void t.test('what follows -- is no option', async (t) => {
  t.match(await argsOf('backup', backup, 'web1', '--', '-a.raw', 'b', '--help'), {
    IMAGE: ['./-a.raw', 'b', './--help'],
  });
});

void t.test('an option before the command counts too', async (t) => {
  const parsed = await parseCommandLine('list', list, ['--store', '/s', 'list', 'web1'], undefined);
  t.match(parsed, { args: { store: '/s', MACHINE: 'web1' } });
});

void t.test('mistakes are named', async (t) => {
  const cases: [string[], RegExp, RegExp?][] = [
    [['web1', '--sotre', 'x'], /does not take --sotre/, /Did you mean --store/],
    [['web1', 'more'], /does not take more/],
    [['web1', '--no-json'], /does not take --no-json/],
    [['--store'], /not enough arguments following: store/],
    [['-x'], /does not take -x/],
  ];
  for (const [line, message, hint = /umbra list --help/] of cases) {
    await t.rejects(argsOf('list', list, ...line), { code: 'BAD_ARGUMENT', message, hint }, line.join(' '));
  }
  await t.rejects(argsOf('backup', backup), { code: 'BAD_ARGUMENT', message: /^"umbra backup" needs MACHINE$/ });
  await t.rejects(argsOf('diff', diff, 'a'), { message: /^"umbra diff" needs B$/ });
  await t.rejects(argsOf('diff', diff), { message: /^"umbra diff" needs A and B$/ });
  await t.rejects(argsOf('forget', forget), { message: /^"umbra forget" needs VERSION$/ });
  await t.rejects(argsOf('diff', diff, '--extact'), {
    message: /does not take --extact/,
    hint: /Did you mean --exact/,
  });
  await t.rejects(argsOf('restore', restore, 'web1'), { code: 'BAD_ARGUMENT', message: /required argument: to/ });
  await t.rejects(argsOf('backup', backup, 'web1', 'a', '--format', 'zip'), { code: 'BAD_ARGUMENT' });
});

void t.test('help explains, whatever else is there', async (t) => {
  for (const line of [['--help'], ['web1', '-h'], ['--nonsense', '--help']]) {
    const help = String((await argsOf('restore', restore, ...line))['help']);
    t.match(help, 'Usage: umbra restore MACHINE[@VERSION] [--volume NAME] [--merge] --to FILE|DEVICE|DIR');
    t.match(help, 'an interrupted restore goes on');
    t.match(help, 'Next:');
    t.notMatch(help, 'Unknown');
  }
});
