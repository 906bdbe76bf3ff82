import { requests } from '../../client/requests.js';
import { printable } from '../../common/printable.js';
import type { FileHistoryResult, FileVersion } from '../../protocol/files-api.js';
import { word, type Command } from '../command.js';
import { parseFileOfAll } from '../file-reference.js';
import { formatBytes, plural } from '../format.js';
import { modeString, shortTime } from '../long-listing.js';
import { formatTable } from '../table.js';

export const command: Command = {
  usage: '<FILE>',
  synopsis: 'MACHINE:PATH',
  description: `Show the distinct versions of a file, or of a directory's own metadata, over all shadow copies of a machine: when it
changed, and which shadow copies hold each. It is told from where contents are stored; hardly anything is read.`,
  examples: [
    ['umbra history web1:/vda1/etc/fstab', 'all versions of a file'],
    ['umbra history web1:/vda1/etc/fstab --json', 'each with all its shadow copies, for scripts'],
  ],
  next: 'Next: "umbra cat MACHINE@VERSION:PATH" prints a version, "umbra cp" copies it.',
  positionals: { FILE: word('The machine, and a path') },
  options: {},
  run: async (args, session) => {
    const result = await session.run(requests.fileHistory(parseFileOfAll(args.text('FILE'))));
    session.answer(result, () => describe(result));
    return result.versions.some(({ isDamaged }) => isDamaged === true) ? 'DAMAGED' : 'OK';
  },
};

function describe({ machine, path, versions }: FileHistoryResult): string {
  const shadowCopies = versions.reduce((sum, version) => sum + version.shadowCopies.length, 0);
  const present = versions.filter(({ state }) => state === 'present').length;
  const columns = [
    { title: 'FIRST' },
    { title: 'LAST' },
    { title: 'COPIES', right: true },
    { title: 'CHANGE' },
    { title: 'MODE' },
    { title: 'SIZE', right: true },
    { title: 'MODIFIED' },
  ];
  const title = `${machine}:${printable(path)}: ${plural(present, 'version')} in ${plural(shadowCopies, 'shadow copy', 'shadow copies')}\n`;
  return title + formatTable(columns, versions.map(rowOf));
}

function rowOf({ state, change, shadowCopies, stat, reason }: FileVersion): string[] {
  const known = [shadowCopies[0] ?? '', shadowCopies.at(-1) ?? '', String(shadowCopies.length)];
  if (stat === undefined) {
    return [...known, state === 'absent' ? 'not there' : `unreadable: ${printable(reason ?? '')}`, '', '', ''];
  }
  return [...known, change, modeString(stat), formatBytes(stat.sizeBytes), shortTime(stat.mtime)];
}
