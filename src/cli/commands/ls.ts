import { requests } from '../../client/requests.js';
import { printable } from '../../common/printable.js';
import type { GuestFilesystemInfo, ListFilesResult } from '../../protocol/files-api.js';
import { flagOption, word, type Command } from '../command.js';
import { parseFileReference } from '../file-reference.js';
import { formatBytes } from '../format.js';
import { longListing, shortListing } from '../long-listing.js';
import { formatTable } from '../table.js';

export const command: Command = {
  usage: '<FILE>',
  synopsis: 'MACHINE[@VERSION][:PATH] [-l]',
  description: `List a directory inside a volume of a shadow copy, or without a path the file systems that it has. Paths begin with
the name of one, like /vda1/etc, or with its label or UUID: /by-label/root/etc. What a terminal would not show as it is stands
there as bytes, like \\x1b, and can be given to every command in this form.`,
  examples: [
    ['umbra ls web1', 'which file systems there are'],
    ['umbra ls web1:/vda1/etc -l', 'a directory as it was last'],
    ['umbra ls web1@2026-11-22T10-15-00Z:/vda1/home', 'as it was then'],
  ],
  next: 'Next: "umbra cat" prints a file, "umbra cp" copies it, "umbra history" shows its versions.',
  positionals: { FILE: word('The machine, a shadow copy of it or "latest", and a path') },
  options: { long: flagOption('Show type, mode, owner, size and time of change, too', 'l') },
  run: async (args, session) => {
    const { machine, version, path } = parseFileReference(args.text('FILE'));
    const details = args.flag('long');
    const request = requests.listFiles({ machine, version, ...(path === undefined ? {} : { path }), details });
    const result = await session.items(request, 'entries', details ? longListing : shortListing);
    if (!session.json && result.filesystems !== undefined) session.environment.stdout.write(describe(result));
    return result.damaged > 0 ? 'DAMAGED' : 'OK';
  },
};

function describe({ machine, shadowCopy, filesystems = [] }: ListFilesResult): string {
  if (filesystems.length === 0) return `No file system was found in the volumes of ${machine}@${shadowCopy}.\n`;
  const columns = [
    { title: 'PATH' },
    { title: 'TYPE' },
    { title: 'LABEL' },
    { title: 'SIZE', right: true },
    { title: 'USED', right: true },
    { title: 'JOURNAL' },
  ];
  const rows = filesystems.map(({ name, type, label, sizeBytes, usedBytes, journal, unreadable }) => [
    `/${printable(name)}`,
    unreadable === undefined ? type : '-',
    printable(label),
    formatBytes(sizeBytes),
    usedBytes === undefined ? '' : formatBytes(usedBytes),
    journal ?? '',
  ]);
  return formatTable(columns, rows) + filesystems.flatMap(remarks).join('');
}

function remarks({ name, unreadable, problems }: GuestFilesystemInfo): string[] {
  const all = [...(unreadable === undefined ? [] : [unreadable]), ...problems];
  return all.map((remark) => `/${printable(name)}: ${printable(remark)}\n`);
}
