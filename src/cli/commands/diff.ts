import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import { parseMachineVersion } from '../../common/names.js';
import type { DiffResult, DiffVolume } from '../../protocol/api.js';
import { flagOption, word, type Command } from '../command.js';
import { diffFiles } from '../diff-files.js';
import { formatBytes, plural } from '../format.js';
import { formatTable } from '../table.js';

/** More ranges than this are for `--json`. */
const MAX_SHOWN_RANGES = 20;

export const command: Command = {
  usage: '<A> <B>',
  synopsis: 'MACHINE@A MACHINE@B [--files | --exact]',
  description: `Show the ranges of each volume that differ between two shadow copies. It is told from the trees, without
reading data, so ranges are whole chunks; --exact reads them and narrows them to blocks of 4 KiB. With --files show the
files inside the volumes that were added (A), removed (D), changed (M), renamed (R), or got other metadata (m).`,
  examples: [
    ['umbra diff web1@2026-11-21T10-15-00Z web1@latest', 'what changed since then'],
    ['umbra diff web1@2026-11-21T10-15-00Z web1 --files', 'which files are new, gone or changed'],
    ['umbra diff web1@2026-11-21T10-15-00Z web1 --exact --json', 'every block, for scripts'],
  ],
  next: 'Next: "umbra mount DIR" shows both as files, to be compared with cmp or diff.',
  positionals: { A: word('The older shadow copy'), B: word('The newer shadow copy, may be of another machine') },
  options: {
    exact: flagOption('Read what changed and narrow the ranges to blocks'),
    files: flagOption('Compare the files inside the volumes'),
  },
  run: async (args, session) => {
    const from = parseMachineVersion(args.text('A'));
    const to = parseMachineVersion(args.text('B'));
    const sides = { machine: from.machine, from: from.version, toMachine: to.machine, to: to.version };
    const exact = args.flag('exact');
    if (args.flag('files')) {
      if (exact) throw new UmbraError('BAD_ARGUMENT', '--files and --exact exclude each other');
      return await diffFiles(sides, session);
    }
    const result = await session.run(requests.diff({ ...sides, exact }));
    session.answer(result, () => describe(result));
    return 'OK';
  },
};

function describe({ from, to, volumes }: DiffResult): string {
  return [`from ${from} to ${to}\n`, ...volumes.map(describeVolume)].join('');
}

function describeVolume({ name, change, fromBytes, toBytes, changedBytes, ranges }: DiffVolume): string {
  if (change === 'added') return `${name}: added, ${formatBytes(toBytes ?? 0)}\n`;
  if (change === 'removed') return `${name}: removed, ${formatBytes(fromBytes ?? 0)}\n`;
  if (change === 'same') return `${name}: the same\n`;
  const resized = fromBytes === toBytes ? '' : `, size ${formatBytes(fromBytes ?? 0)} -> ${formatBytes(toBytes ?? 0)}`;
  const shown = ranges
    .slice(0, MAX_SHOWN_RANGES)
    .map(({ offset, length }) => ['', String(offset), String(length), formatBytes(length)]);
  const columns = [
    { title: ' ' },
    { title: 'OFFSET', right: true },
    { title: 'LENGTH', right: true },
    { title: '', right: true },
  ];
  const more = ranges.length - shown.length;
  return [
    `${name}: ${formatBytes(changedBytes)} changed in ${plural(ranges.length, 'range')}${resized}\n`,
    ...(shown.length === 0 ? [] : [formatTable(columns, shown)]),
    ...(more > 0 ? [`   ... and ${plural(more, 'more range', 'more ranges')}; --json lists them all\n`] : []),
  ].join('');
}
