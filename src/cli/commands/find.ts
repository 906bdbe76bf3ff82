import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import { checkMachineName, parseMachineVersion } from '../../common/names.js';
import { printable } from '../../common/printable.js';
import type { FindFilesRequest, FoundFile, GuestFileType } from '../../protocol/files-api.js';
import type { Args } from '../args.js';
import { flagOption, textOption, word, type Command } from '../command.js';
import { formatBytes, plural } from '../format.js';
import { shortTime } from '../long-listing.js';
import { describeUnread } from '../unread.js';

const TYPES: Readonly<Record<string, GuestFileType>> = { f: 'file', d: 'directory', l: 'symlink' };

export const command: Command = {
  usage: '<MACHINE> <GLOB>',
  synopsis: 'MACHINE GLOB [--in VERSION | --all] [--type f|d|l] [-i]',
  description: `Find files inside the volumes of a shadow copy, the latest one without --in. A GLOB without a slash is for names: *.conf.
With one it is for paths: /vda1/etc/**/*.conf; * and ? stop at a slash, ** does not, [a-z] is one of these, {a,b} either.
With --all it searches all shadow copies and shows each version of each file once, with those that hold it. Quote the GLOB.`,
  examples: [
    ["umbra find web1 '*.conf'", 'by name, in the latest shadow copy'],
    ["umbra find web1 '/vda1/home/**/*.{doc,docx}' -i --in 2026-11-22T10-15-00Z", 'by path, in another one'],
    ['umbra find web1 fstab --all --json', 'every version there ever was, for scripts'],
  ],
  next: 'Next: "umbra history" shows the versions of one file, "umbra cp" copies one.',
  positionals: { MACHINE: word('The machine'), GLOB: word('A pattern for names or paths') },
  options: {
    in: textOption('In this shadow copy'),
    all: flagOption('In all shadow copies'),
    type: { ...textOption('Only files (f), directories (d) or symbolic links (l)'), choices: Object.keys(TYPES) },
    'ignore-case': flagOption('Take small and capital letters for the same', 'i'),
  },
  run: async (args, session) => {
    const request = findRequest(args);
    const text = request.version === undefined ? versionsText : pathsText;
    const result = await session.items(requests.findFiles(request), 'files', text);
    if (!session.json) {
      if (result.found === 0) {
        session.environment.stderr.write(
          `nothing found in ${plural(result.shadowCopies, 'shadow copy', 'shadow copies')}\n`,
        );
      }
      session.environment.stderr.write(describeUnread(result));
    }
    return result.damagedCount > 0 ? 'DAMAGED' : 'OK';
  },
};

/** @throws {UmbraError} BAD_ARGUMENT, BAD_NAME */
function findRequest(args: Args): FindFilesRequest {
  const machine = machineOf(args.text('MACHINE'));
  const name = args.optionalText('in');
  if (name !== undefined && args.flag('all')) {
    throw new UmbraError('BAD_ARGUMENT', '--in and --all exclude each other', {
      hint: 'Search one shadow copy, or all of them.',
    });
  }
  const { version } = parseMachineVersion(`${machine}@${name ?? 'latest'}`);
  const type = TYPES[args.optionalChoice('type', Object.keys(TYPES)) ?? ''];
  return {
    machine,
    glob: args.text('GLOB'),
    ignoreCase: args.flag('ignore-case'),
    ...(args.flag('all') ? {} : { version }),
    ...(type === undefined ? {} : { type }),
  };
}

/** @throws {UmbraError} BAD_NAME; for what other commands take, with the form that this one has */
function machineOf(text: string): string {
  if (!text.includes('@')) return checkMachineName(text);
  const { machine, version } = parseMachineVersion(text);
  throw new UmbraError('BAD_NAME', `"${text}" is a shadow copy, not a machine`, {
    hint: `Say ${machine} --in ${version}, or --all for all of them.`,
  });
}

function pathsText(files: readonly FoundFile[]): string {
  return files.map(({ path }) => `${printable(path)}\n`).join('');
}

function versionsText(files: readonly FoundFile[]): string {
  return files
    .map(({ path, stat, first, last, shadowCopies }) => {
      const span = first === last ? first : `${first} to ${last}`;
      const size = stat.type === 'file' ? formatBytes(stat.sizeBytes) : stat.type;
      return `${printable(path)}\n    ${size}, ${shortTime(stat.mtime)}, in ${plural(shadowCopies, 'shadow copy', 'shadow copies')}: ${span}\n`;
    })
    .join('');
}
