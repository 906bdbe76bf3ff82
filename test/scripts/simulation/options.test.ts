import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { FAULT_KINDS, HELP, parseOptions } from '../../../scripts/simulation/options.js';
import { PLANTS } from '../../../scripts/simulation/plants.js';

t.test('what a simulation is told', (t) => {
  const newSeed = (): number => 7;
  const all = parseOptions([], newSeed);
  t.match(all, { help: false, machines: 200, days: 3 * 365.25, seed: 7, untilFailure: false, json: false });
  t.same([...all.faults], FAULT_KINDS);
  t.match(parseOptions(['--machines', '8', '--years', '0.5', '--seed', '9', '--until-failure'], newSeed), {
    machines: 8,
    days: 0.5 * 365.25,
    seed: 9,
    untilFailure: true,
  });
  t.match(parseOptions(['--days', '4', '--history', 'all.txt', '--json'], newSeed), {
    days: 4,
    history: 'all.txt',
    json: true,
  });
  t.equal(parseOptions(['--faults', 'none'], newSeed).faults.size, 0);
  t.same([...parseOptions(['--faults', 'clock,damage'], newSeed).faults], ['clock', 'damage']);
  t.match(parseOptions(['-h'], newSeed), { help: true });
  t.equal(all.plant, undefined);
  t.equal(parseOptions(['--plant', 'minimum-age-ignored'], newSeed).plant, 'minimum-age-ignored');
  t.throws(() => parseOptions(['--plant', 'toString'], newSeed), /--plant has "toString"/);
  for (const name of Object.keys(PLANTS)) t.match(HELP, name);
  t.throws(() => parseOptions(['--faults', 'clock,fire'], newSeed), /--faults has "fire"/);
  t.throws(() => parseOptions(['--machines', 'many'], newSeed), /--machines needs a number/);
  t.throws(() => parseOptions(['--days', '4', '--years', '1'], newSeed), /not both/);
  t.throws(() => parseOptions(['--loud'], newSeed));
  t.end();
});

t.test('a wrong option is told apart from what did not hold', async (t) => {
  const program = fileURLToPath(import.meta.resolve('../../../scripts/simulation/main.js'));
  const { status, stderr } = spawnSync(process.execPath, [program, '--plant', 'fire'], { encoding: 'utf8' });
  t.equal(status, 2);
  t.equal(stderr, 'simulate: --plant has "fire"\n(see scripts/simulate --help)\n');
});
