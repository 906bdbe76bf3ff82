import { requests } from '../../client/requests.js';
import { printable } from '../../common/printable.js';
import type { ExitCodeName } from '../../common/exit-codes.js';
import type { CopyFilesResult, CopyProblem } from '../../protocol/files-api.js';
import { flagOption, word, type Command } from '../command.js';
import { parseFile } from '../file-reference.js';
import { formatBytes, formatSeconds, plural } from '../format.js';

/** More problems than this are for `--json`. */
const MAX_SHOWN = 20;

export const command: Command = {
  usage: '<FILE> <TARGET>',
  synopsis: 'MACHINE[@VERSION]:PATH TARGET [-r] [--force]',
  description: `Copy a file, or with -r a directory with everything in it, out of a shadow copy. Everything is kept: modes, owners
(as root), times to the nanosecond, extended attributes, ACLs, hard links inside the copy, holes, symbolic links,
devices (as root). A TARGET that is a directory gets the copy into it; with "/." at the end of PATH, TARGET itself becomes
the copy of the directory. Files that are there are only replaced, and directories gone on into, with --force; devices,
FIFOs and sockets stay. Each file has its name when it is complete. Damaged files are named and left out; then the exit
code is 5.`,
  examples: [
    ['umbra cp web1:/vda1/etc/fstab .', 'a file as it was last'],
    ['umbra cp -r web1@2026-11-22T10-15-00Z:/vda1/home/ann /srv/ann-then', 'a directory as it was then'],
    ['umbra cp -r web1:/vda1/etc /mnt/new --force', 'over files that are there'],
    ['umbra cp -r --force web1@2026-11-22T10-15-00Z:/vda1/home/ann/. /srv/ann-then', 'go on with one that broke off'],
  ],
  next: 'Next: "umbra history MACHINE:PATH" shows which versions there are, "umbra find" where a file is.',
  positionals: {
    FILE: word('The machine, a shadow copy of it or "latest", and a path'),
    TARGET: word('A directory to copy into, or the name of the copy'),
  },
  options: {
    recursive: flagOption('Copy directories with everything in them', 'r'),
    force: flagOption('Replace files, and go on into directories, that are there', 'f'),
  },
  run: async (args, session) => {
    const { machine, version, path } = parseFile(args.text('FILE'));
    const target = args.text('TARGET');
    const contents = /\/\.\/*$/.test(args.text('FILE'));
    const result = await session.run(
      requests.copyFiles({
        machine,
        version,
        path,
        to: args.path('TARGET'),
        toDirectory: !contents && /(^|\/)\.{0,2}$/.test(target),
        recursive: args.flag('recursive'),
        force: args.flag('force'),
        ...(contents ? { contents } : {}),
      }),
    );
    if (!session.json) session.environment.stderr.write(describeProblems(result));
    session.answer(result, () => describe(result));
    return exitCode(result);
  },
};

function exitCode({ readProblems, writeProblems }: CopyFilesResult): ExitCodeName {
  if (readProblems > 0) return 'DAMAGED';
  return writeProblems > 0 ? 'TARGET' : 'OK';
}

function describe(result: CopyFilesResult): string {
  const { machine, shadowCopy, path, to, files, directories, symlinks, hardLinks, specialFiles } = result;
  const counts: readonly (readonly [number, string, string?])[] = [
    [files, 'file'],
    [directories, 'directory', 'directories'],
    [symlinks, 'symbolic link'],
    [hardLinks, 'hard link'],
    [specialFiles, 'special file'],
  ];
  const made = counts.filter(([count]) => count > 0).map(([count, noun, nouns]) => plural(count, noun, nouns));
  const what = made.length === 0 ? 'nothing' : made.join(', ');
  const owners = result.owners || made.length === 0 ? '' : 'Owners are not kept: that needs root.\n';
  const source = `${machine}@${shadowCopy}:${printable(path)}`;
  return `${source} to ${printable(to)}: ${what}, ${formatBytes(result.writtenBytes)} in ${formatSeconds(result.seconds)}\n${owners}`;
}

const KINDS: Readonly<Record<CopyProblem['kind'], string>> = {
  read: 'cannot be read',
  write: 'cannot be written',
  metadata: 'is not as in the guest',
};

function describeProblem({ path, kind, reason, count = 1 }: CopyProblem): string {
  const others = count > 1 ? ` (and ${plural(count - 1, 'more file')} likewise)` : '';
  return `umbra: ${printable(path)} ${KINDS[kind]}: ${reason}${others}\n`;
}

function describeProblems(result: CopyFilesResult): string {
  const { problems, readProblems, writeProblems, metadataProblems } = result;
  const order = ['read', 'write', 'metadata'];
  const sorted = [...problems].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  const shown = sorted.slice(0, MAX_SHOWN);
  const more = shown.reduce((left, { count = 1 }) => left - count, readProblems + writeProblems + metadataProblems);
  return (
    shown.map(describeProblem).join('') +
    (more > 0 ? `umbra: ... and ${plural(more, 'more problem')}; --json lists up to 1,000\n` : '')
  );
}
