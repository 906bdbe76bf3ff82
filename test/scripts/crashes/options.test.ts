import t from 'tap';
import { parseOptions } from '../../../scripts/crashes/options.js';

t.test('what ends a run', (t) => {
  const newSeed = (): number => 7;
  t.match(parseOptions([], newSeed), { rounds: 100, minutes: Infinity, seed: 7, powerCuts: false, agents: false });
  t.match(parseOptions(['--minutes', '1.5', '--power-cuts'], newSeed), {
    rounds: Infinity,
    minutes: 1.5,
    powerCuts: true,
  });
  t.match(parseOptions(['--rounds', '3', '--minutes', '2', '--seed', '9'], newSeed), {
    rounds: 3,
    minutes: 2,
    seed: 9,
  });
  t.throws(() => parseOptions(['--rounds', 'many'], newSeed), /--rounds needs a number/);
  t.match(parseOptions(['--agents'], newSeed), { rounds: 100, powerCuts: false, agents: true });
  t.throws(() => parseOptions(['--agents', '--power-cuts'], newSeed), /one or the other/);
  t.throws(() => parseOptions(['--loud'], newSeed));
  t.end();
});
