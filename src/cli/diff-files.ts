import { requests } from '../client/requests.js';
import type { ExitCodeName } from '../common/exit-codes.js';
import { printable } from '../common/printable.js';
import type { DiffFilesRequest, DiffFilesResult, FileDifference } from '../protocol/files-api.js';
import { formatBytes, formatCount } from './format.js';
import type { Session } from './session.js';
import { describeUnread } from './unread.js';

const LETTERS: Readonly<Record<FileDifference['change'], string>> = {
  added: 'A',
  removed: 'D',
  changed: 'M',
  metadata: 'm',
  renamed: 'R',
};

/** `umbra diff --files`: compare the files of two shadow copies, and print what differs as it is found. */
export async function diffFiles(request: DiffFilesRequest, session: Session): Promise<ExitCodeName> {
  const result = await session.items(requests.diffFiles(request), 'files', describeDifferences);
  if (!session.json) {
    session.environment.stdout.write(describe(result));
    session.environment.stderr.write(describeUnread(result));
  }
  return result.damagedCount > 0 ? 'DAMAGED' : 'OK';
}

/** One line each: a letter, the path, and what differs. */
export function describeDifferences(differences: readonly FileDifference[]): string {
  return differences
    .map((difference) => {
      const { change, path, fromPath, type } = difference;
      const name = type === 'directory' ? `${printable(path)}/` : printable(path);
      const from = fromPath === undefined ? '' : `${printable(fromPath)} -> `;
      return `${LETTERS[change]} ${from}${name}${remark(difference)}\n`;
    })
    .join('');
}

function remark({ change, what, fromBytes, toBytes }: FileDifference): string {
  const resized = change === 'changed' && fromBytes !== undefined && toBytes !== undefined && fromBytes !== toBytes;
  const size = resized ? `${formatBytes(fromBytes)} -> ${formatBytes(toBytes)}` : '';
  // Every file that is written to gets another time, and its letter says already that it has other content.
  const known = change === 'changed' ? ['mtime', ...(resized ? ['content'] : [])] : [];
  const shown = what.filter((difference) => !known.includes(difference)).join(', ');
  const parts = [size, change === 'changed' && shown === 'content' ? '' : shown].filter((part) => part !== '');
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`;
}

function describe({ from, to, added, removed, changed, metadata, renamed }: DiffFilesResult): string {
  const counts: readonly (readonly [number, string])[] = [
    [added, 'added (A)'],
    [removed, 'removed (D)'],
    [changed, 'changed (M)'],
    [metadata, 'with other metadata (m)'],
    [renamed, 'renamed (R)'],
  ];
  const shown = counts.filter(([count]) => count > 0).map(([count, what]) => `${formatCount(count)} ${what}`);
  return `from ${from} to ${to}: ${shown.length === 0 ? 'the same files' : shown.join(', ')}\n`;
}
