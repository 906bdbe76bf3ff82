import t from 'tap';
import { parseOptions } from '../../../scripts/benchmark/options.js';

t.test('without options everything is measured three times', async (t) => {
  const options = parseOptions([], { XDG_CACHE_HOME: '/c' });
  t.match(options, { help: false, rounds: 3, seed: 1, cache: '/c/umbra-bench', json: undefined });
  t.equal(options.scale.name, 'full');
  t.equal(options.scale.manyVersions, 100);
  t.strictSame(options.contenders, ['umbra', 'borg', 'restic']);
  t.ok(options.only.includes('first') && options.only.includes('amplification'));
});

t.test('options are taken', async (t) => {
  const args = '--rounds 5 --scale small --only read,restore --contenders umbra,borg --versions 20 --json /x/r.json';
  const options = parseOptions(args.split(' '), {});
  t.match(options, { rounds: 5, only: ['read', 'restore'], contenders: ['umbra', 'borg'], json: '/x/r.json' });
  t.match(options.scale, { name: 'small', manyVersions: 20 });
  t.equal(parseOptions(['-h'], {}).help, true);
});

t.test('wrong options are refused by name', async (t) => {
  const refused: [string[], RegExp][] = [
    [['--rounds', '0'], /--rounds .*"0"/],
    [['--rounds', 'many'], /--rounds .*"many"/],
    [['--scale', 'huge'], /--scale .*"huge"/],
    [['--only', 'first,lunch'], /--only .*"lunch"/],
    [['--contenders', ''], /--contenders /],
    [['--frobnicate'], /--frobnicate/],
  ];
  for (const [args, message] of refused) t.throws(() => parseOptions(args, {}), { name: 'BenchError', message });
});
