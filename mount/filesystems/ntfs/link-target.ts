import { escapeTarget, escapeUtf16 } from '../names.js';
import type { NtfsFile } from './file.js';
import { damaged, part, utf16 } from './parse.js';
import { type ReparsePoint, ReparseTag } from './reparse-point.js';

/** Where a link leads, before its names are looked for. */
export type LinkTarget =
  /** Nothing to look for: a path of another system, or one that has no meaning here. */
  | { readonly kind: 'plain'; readonly path: string }
  /** Names from the directory that the link stands in, or from the volume's top; not escaped. */
  | { readonly kind: 'relative' | 'rooted'; readonly names: readonly string[] }
  /** Names on the volume that has a drive letter: this volume, if they are there. */
  | { readonly kind: 'drive'; readonly drive: string; readonly names: readonly string[] };

const LX_VERSION = 2;

/**
 * Where a symbolic link leads.
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function linkTarget({ inode, interix, reparse, type }: NtfsFile): LinkTarget {
  if (type !== 'symlink') throw damaged(`file ${inode.record.number} is no symbolic link`);
  if (reparse === undefined) return { kind: 'plain', path: escapePath(interix?.target ?? '') };
  const { tag, data } = reparse;
  if (tag === ReparseTag.LX_SYMLINK) return lxTarget(data);
  return windowsTarget(windowsPath(reparse));
}

function lxTarget(data: Buffer): LinkTarget {
  if (data.length < 4 || data.readUInt32LE(0) !== LX_VERSION) throw damaged('a symbolic link of WSL makes no sense');
  return { kind: 'plain', path: escapeTarget(data.subarray(4)) };
}

/** The name that Windows follows ("substitute name"); the other one is for people. */
function windowsPath({ tag, data }: ReparsePoint): string {
  const start = tag === ReparseTag.SYMLINK ? 12 : 8;
  if (data.length < start) throw damaged('a link is cut off');
  return utf16(part(data, start + data.readUInt16LE(0), data.readUInt16LE(2), 'a link'));
}

function windowsTarget(path: string): LinkTarget {
  const full = /^\\(?:\?\?|\\\?|\\\.)\\(.*)$/s.exec(path)?.[1];
  const drive = /^([A-Za-z]):(?:\\(.*))?$/s.exec(full ?? path);
  if (drive !== null) {
    return { kind: 'drive', drive: `${(drive[1] ?? '').toUpperCase()}:`, names: namesOf(drive[2] ?? '') };
  }
  const server =
    /^UNC\\(.*)$/is.exec(full ?? '')?.[1] ?? (full === undefined ? /^\\\\(.*)$/s.exec(path)?.[1] : undefined);
  if (server !== undefined) return { kind: 'plain', path: `//${joinNames(namesOf(server))}` };
  if (full !== undefined) return { kind: 'plain', path: joinNames(namesOf(full)) };
  return { kind: path.startsWith('\\') ? 'rooted' : 'relative', names: namesOf(path) };
}

function namesOf(path: string): string[] {
  return path.split('\\').filter((name) => name !== '');
}

/** Names as an escaped path. */
export function joinNames(names: readonly string[]): string {
  return names.map(escapeUtf16).join('/');
}

/** A path with slashes of its own. */
function escapePath(path: string): string {
  return path.split('/').map(escapeUtf16).join('/');
}
