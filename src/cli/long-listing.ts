import { printable } from '../common/printable.js';
import type { GuestFileStat, GuestFileType, ListedFile } from '../protocol/files-api.js';

const TYPE_LETTERS: Readonly<Record<GuestFileType, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  'character-device': 'c',
  'block-device': 'b',
  fifo: 'p',
  socket: 's',
};

/** Type and mode as `ls -l` shows them: `-rwsr-xr-x`. */
export function modeString({ type, permissions }: Pick<GuestFileStat, 'type' | 'permissions'>): string {
  const special = [
    { bit: 0o4000, letter: 's' },
    { bit: 0o2000, letter: 's' },
    { bit: 0o1000, letter: 't' },
  ];
  const triples = special.map(({ bit, letter }, index) => {
    const bits = (permissions >> (6 - 3 * index)) & 7;
    const isSpecial = (permissions & bit) !== 0;
    const execute = (bits & 1) !== 0;
    const last = isSpecial ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-';
    return `${(bits & 4) !== 0 ? 'r' : '-'}${(bits & 2) !== 0 ? 'w' : '-'}${last}`;
  });
  return TYPE_LETTERS[type] + triples.join('');
}

/** A time as people read it, local, to the second; the year too where it is far. */
export function shortTime(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${String(time.getFullYear()).padStart(4, '0')}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** Lines as of `ls -l`, in columns. */
export function longListing(files: readonly ListedFile[]): string {
  const rows = files.map(cellsOf);
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(0, ...rows.map(({ cells }) => cells[column]?.length ?? 0)));
  return rows
    .map(({ cells, rest }) => {
      const [mode = '', ...numbers] = cells;
      const aligned = numbers.map((cell, index) => cell.padStart(widths[index + 1] ?? 0));
      return `${[mode.padEnd(widths[0] ?? 0), ...aligned, ...rest].join(' ').trimEnd()}\n`;
    })
    .join('');
}

function cellsOf({ name, stat, error }: ListedFile): { readonly cells: string[]; readonly rest: string[] } {
  if (stat === undefined) {
    return {
      cells: ['?---------', '?', '?', '?', '?'],
      rest: [printable(name), `(${printable(error ?? 'unreadable')})`],
    };
  }
  const { nlink, uid, gid, sizeBytes, device, target, mtime } = stat;
  const size = device === undefined ? String(sizeBytes) : `${device.major},${device.minor}`;
  const shown = target === undefined ? printable(name) : `${printable(name)} -> ${printable(target)}`;
  return { cells: [modeString(stat), String(nlink), String(uid), String(gid), size], rest: [shortTime(mtime), shown] };
}

/** A name as of `ls -p`: with a slash if it is a directory's. */
export function shortListing(files: readonly ListedFile[]): string {
  return files.map(({ name, type }) => `${printable(name)}${type === 'directory' ? '/' : ''}\n`).join('');
}
