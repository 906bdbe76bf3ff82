import t from 'tap';
import { HELP, parseAgentsOptions, SUITE_NAMES } from '../../../../scripts/benchmark/agents/options.js';

t.test('without options everything is measured twice', async (t) => {
  const options = parseAgentsOptions([], { XDG_CACHE_HOME: '/c' });
  t.match(options, { help: false, rounds: 2, scale: 'full', seed: 1, cache: '/c/umbra-bench', json: undefined });
  t.same(options.only, SUITE_NAMES);
});

t.test('options are taken', async (t) => {
  const args = '--only vm,many --rounds 1 --scale small --seed 3 --cache /k --json /x/r.json';
  t.match(parseAgentsOptions(args.split(' '), {}), {
    only: ['vm', 'many'],
    rounds: 1,
    scale: 'small',
    seed: 3,
    cache: '/k',
    json: '/x/r.json',
  });
  t.equal(parseAgentsOptions(['-h'], {}).help, true);
  for (const name of SUITE_NAMES) t.match(HELP, new RegExp(`  ${name} `));
});

t.test('wrong options are refused by name', async (t) => {
  const refused: [string[], RegExp][] = [
    [['--rounds', '0'], /--rounds .*"0"/],
    [['--scale', 'huge'], /--scale .*"huge"/],
    [['--only', 'vm,lunch'], /--only .*"lunch"/],
    [['--frobnicate'], /--frobnicate/],
  ];
  for (const [args, message] of refused) t.throws(() => parseAgentsOptions(args, {}), { name: 'BenchError', message });
});
