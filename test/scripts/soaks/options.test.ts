import t from 'tap';
import { parseOptions } from '../../../scripts/soaks/options.js';

t.test('what a soak is told', (t) => {
  const newSeed = (): number => 7;
  t.match(parseOptions(['--system'], newSeed), { help: false, minutes: 60, seed: 7, linux: false, light: false });
  t.match(parseOptions(['--system', '--minutes', '1.5', '--seed', '9', '--linux'], newSeed), {
    minutes: 1.5,
    seed: 9,
    linux: true,
  });
  t.match(parseOptions(['-h'], newSeed), { help: true });
  t.match(parseOptions(['--system', '--light'], newSeed), { light: true });
  t.throws(() => parseOptions(['--system', '--light', '--linux'], newSeed), /one or the other/);
  t.throws(() => parseOptions(['--minutes', '5'], newSeed), /need --system/);
  t.throws(() => parseOptions(['--system', '--minutes', 'many'], newSeed), /--minutes needs a number/);
  t.throws(() => parseOptions(['--system', '--loud'], newSeed));
  t.end();
});
