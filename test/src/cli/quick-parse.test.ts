import t from 'tap';
import { Args } from '../../../src/cli/args.js';
import { parseCommandLine } from '../../../src/cli/parse.js';
import { quickParse } from '../../../src/cli/quick-parse.js';
import { COMMANDS } from '../../../src/cli/registry.js';
import type { Command } from '../../../src/cli/command.js';
import { Random, testSeed } from '../../kit/random.js';

const WORDS = [
  'web1',
  '007',
  '1e3',
  'vda=x',
  'a b',
  '/p',
  '',
  '-',
  '-x',
  '-x1',
  '--',
  '--to',
  '--to=x',
  '--to=',
  '--name=a=b',
  '--json',
  '--json=true',
  '--json=false',
  '--no-json',
  '--reread',
  '--jso',
  '--help',
  '-h',
  '--store',
  '--store=/s',
  '--format=raw',
  '--format',
  'zip',
  '--exact',
  '--force',
  '--dry-run',
  '--dryRun',
  '--volume=vda',
  '--level=1',
  '--__proto__=x',
  '--to.x=1',
];

/** What a command sees of its arguments. */
function seen(command: Command, raw: Record<string, unknown>): unknown {
  const args = new Args(raw, '/');
  const read = (name: string): unknown => {
    try {
      return { texts: args.texts(name), flag: args.flag(name), text: args.optionalText(name) };
    } catch (error) {
      return String(error);
    }
  };
  const names = ['store', 'json', ...Object.keys(command.options), ...Object.keys(command.positionals)];
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

void t.test('what it takes, yargs takes in the same way', async (t) => {
  const random = new Random(testSeed(t));
  const pick = (): string => WORDS[random.below(WORDS.length)] ?? '';
  let taken = 0;
  const compared = new Set<string>();
  for (let round = 0; round < 3000; round += 1) {
    const entry = COMMANDS[random.below(COMMANDS.length)];
    if (entry === undefined) continue;
    const { command } = await entry.load();
    const line = [entry.name, ...Array.from({ length: random.below(5) }, pick)];
    const quick = quickParse(entry.name, command, line);
    if (quick === undefined) continue;
    taken += 1;
    // The same line again, which short ones often are, would be taken in the same way again.
    if (compared.has(line.join('\0'))) continue;
    compared.add(line.join('\0'));
    const full = await parseCommandLine(entry.name, command, line, undefined);
    t.ok('args' in full, line.join(' '));
    if ('args' in full) t.same(seen(command, { ...quick }), seen(command, { ...full.args }), JSON.stringify(line));
  }
  t.ok(taken > 100, `${taken} lines were plain`);
});

void t.test('usual command lines are plain', async (t) => {
  const lines = [
    ['list'],
    ['list', 'web1', '--json', '--store', '/s'],
    ['backup', 'web1', 'a.raw', 'b.raw', '--name', 'vda=a.raw', '--reread'],
    ['restore', 'web1@latest', '--volume', 'vda', '--to', '/x'],
    ['forget', 'web1@2026-11-22T10-15-00Z', '--dry-run'],
    ['mount', '/mnt', '--background'],
  ];
  for (const line of lines) {
    const entry = COMMANDS.find(({ name }) => name === line[0]);
    t.ok(entry && quickParse(entry.name, (await entry.load()).command, line), line.join(' '));
  }
});
