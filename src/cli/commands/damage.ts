import { requests } from '../../client/requests.js';
import { parseMachineVersion } from '../../common/names.js';
import { printable } from '../../common/printable.js';
import type { DamageRequest, DamageResult } from '../../protocol/upkeep-api.js';
import { word, type Command } from '../command.js';
import { formatTime, plural } from '../format.js';
import { formatTable } from '../table.js';

export const command: Command = {
  usage: '[MACHINE]',
  synopsis: '[MACHINE[@VERSION]]',
  description: `Name what is known to be damaged in the store: each object, the stretches of volumes that it holds, the shadow copies that have these,
and the files in them. Nothing is read to find damage: "umbra serve", "umbra scrub --now" and "umbra verify" do that. Of a machine with
many shadow copies some file systems are looked through, and in the others the files that were found; of one shadow copy all is.
The exit code is 5 when there is damage.`,
  examples: [
    ['umbra damage', 'everything that is damaged'],
    ['umbra damage web1@latest', 'every file of one shadow copy'],
  ],
  next: 'Next: the next backup of a machine heals what its disks still hold; what stays is in the older shadow copies.',
  positionals: { MACHINE: word('Only this machine or shadow copy') },
  options: {},
  run: async (args, session) => {
    const result = await session.run(requests.damage(what(args.optionalText('MACHINE'))));
    session.answer(result, () => describe(result));
    return result.objectCount > 0 || result.placeCount > 0 ? 'DAMAGED' : 'OK';
  },
};

function what(text: string | undefined): DamageRequest {
  if (text === undefined) return {};
  const { machine, version } = parseMachineVersion(text);
  return text.includes('@') ? { machine, version } : { machine };
}

function describe(result: DamageResult): string {
  const { objects, objectCount, placeCount, advice } = result;
  if (objectCount === 0 && placeCount === 0) return 'nothing is known to be damaged\n';
  return [
    `${plural(objectCount, 'object is', 'objects are')} damaged\n`,
    ...objects.map(({ kind, object, reason, foundAt }) => {
      const found = foundAt === undefined ? '' : ` (found ${formatTime(foundAt)})`;
      return `  ${kind} ${object}: ${printable(reason)}${found}\n`;
    }),
    more(objectCount - objects.length),
    placesText(result),
    filesText(result),
    unreadText(result),
    advice === undefined ? '' : `${advice}\n`,
  ].join('');
}

function placesText({ places, placeCount }: DamageResult): string {
  if (places.length === 0) return '';
  const columns = [
    { title: 'MACHINE' },
    { title: 'VOLUME' },
    { title: 'OFFSET', right: true },
    { title: 'LENGTH', right: true },
    { title: 'SHADOW COPIES' },
    { title: 'OBJECT' },
  ];
  const rows = places.map(({ machine, volume, offset, length, object, ...place }) => [
    machine,
    volume === '' ? '(its record)' : volume,
    String(offset),
    String(length),
    copies(place) + (place.isInNewest ? '' : ', not the newest'),
    object.slice(0, 16),
  ]);
  return formatTable(columns, rows) + more(placeCount - places.length);
}

function filesText({ files, fileCount, onlyByPath }: DamageResult): string {
  if (files.length === 0) return '';
  const columns = [{ title: 'FILE' }, { title: 'BYTES', right: true }, { title: 'SHADOW COPIES' }];
  const rows = files.map(({ machine, path, damagedBytes, ...file }) => [
    `${machine}:${printable(path)}`,
    String(damagedBytes),
    copies(file),
  ]);
  const rest =
    onlyByPath.length === 0
      ? ''
      : `There may be further files in ${plural(onlyByPath.length, 'shadow copy', 'shadow copies')}: ${onlyByPath.slice(0, 3).join(', ')}, …\n`;
  return formatTable(columns, rows) + more(fileCount - files.length) + rest;
}

function unreadText({ unread, unreadCount }: DamageResult): string {
  const lines = unread.map(
    ({ machine, shadowCopy, path, reason }) =>
      `  ${machine}@${shadowCopy}:${printable(path)} and what is below: ${printable(reason)}\n`,
  );
  return lines.length === 0 ? '' : `not to be read at all:\n${lines.join('')}${more(unreadCount - unread.length)}`;
}

function copies({
  shadowCopies,
  shadowCopyCount,
}: {
  readonly shadowCopies: readonly string[];
  readonly shadowCopyCount: number;
}): string {
  const [first = ''] = shadowCopies;
  const last = shadowCopies.at(-1) ?? first;
  if (shadowCopyCount <= 1) return first;
  return `${shadowCopyCount}: ${first} … ${shadowCopyCount > shadowCopies.length ? '' : last}`.trimEnd();
}

function more(count: number): string {
  return count > 0 ? `and ${count} more\n` : '';
}
