import t from 'tap';
import { OPERATION_NAMES } from '../../../../scripts/benchmark/growth/operations.js';
import { HELP, parseGrowthOptions } from '../../../../scripts/benchmark/growth/options.js';
import { GROWTH_SCALES } from '../../../../scripts/benchmark/growth/scale.js';

t.test('without options everything is measured, and nothing is written', async (t) => {
  t.match(parseGrowthOptions([]), { help: false, scale: { name: 'full' }, seed: 1, out: undefined, json: undefined });
  t.same(parseGrowthOptions([]).only, OPERATION_NAMES);
});

t.test('options are taken', async (t) => {
  const args = '--scale small --only backup,list,collect --seed 3 --directory /d --out /x/g.svg --json /x/r.json';
  t.match(parseGrowthOptions(args.replace('list', 'listAll').split(' ')), {
    scale: { name: 'small' },
    only: ['backup', 'listAll', 'collect'],
    seed: 3,
    directory: '/d',
    out: '/x/g.svg',
    json: '/x/r.json',
  });
  t.equal(parseGrowthOptions(['-h']).help, true);
  for (const name of OPERATION_NAMES) t.match(HELP, name);
});

t.test('wrong options are refused by name', async (t) => {
  const refused: [string[], RegExp][] = [
    [['--scale', 'huge'], /--scale .*"huge"/],
    [['--only', 'backup,lunch'], /--only .*"lunch"/],
    [['--out', 'growth.png'], /--out .*growth.svg.*"growth.png"/],
    [['--frobnicate'], /--frobnicate.*growth --help/],
  ];
  for (const [args, message] of refused) t.throws(() => parseGrowthOptions(args), { name: 'BenchError', message });
});

t.test('both axes meet in one point', async (t) => {
  for (const { copies, agentCopies, copiesOfSizes } of Object.values(GROWTH_SCALES)) {
    t.ok(copies.includes(copiesOfSizes));
    t.ok(agentCopies.includes(copiesOfSizes));
  }
});
