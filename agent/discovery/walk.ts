import { opendir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../src/common/errors.js';

/** A file below a directory. */
export interface WalkedFile {
  /** Below the directory as it was named. */
  readonly path: string;
  /** Without links: the same file is found once. */
  readonly realPath: string;
}

export interface Walked {
  readonly files: readonly WalkedFile[];
  readonly notes: readonly string[];
}

export interface WalkLimits {
  /** 0: only the directory itself. */
  readonly maxDepth: number;
  readonly maxEntries: number;
}

/**
 * The files below a directory that `wanted` takes, in the order of their names. Links to files are followed, links to directories
 * are not, so that there is an end. What can't be read is a note.
 */
export async function walk(directory: string, limits: WalkLimits, wanted: (name: string) => boolean): Promise<Walked> {
  const found = new Map<string, string>();
  const notes: string[] = [];
  let entries = 0;
  await visit(directory, 0);
  const files = [...found].map(([realPath, path]) => ({ path, realPath }));
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), notes };

  async function visit(at: string, depth: number): Promise<void> {
    const directories: string[] = [];
    try {
      for await (const entry of await opendir(at)) {
        if (++entries > limits.maxEntries) {
          if (entries === limits.maxEntries + 1)
            notes.push(`${directory} has over ${limits.maxEntries} entries; the rest is left out`);
          return;
        }
        const path = join(at, entry.name);
        if (entry.isDirectory()) directories.push(path);
        else if (wanted(entry.name) && (entry.isFile() || entry.isSymbolicLink())) await add(path);
      }
    } catch (error) {
      notes.push(`${at} cannot be listed: ${messageOf(error)}`);
    }
    if (depth === limits.maxDepth) return;
    for (const path of directories.sort()) await visit(path, depth + 1);
  }

  async function add(path: string): Promise<void> {
    const realPath = await realpath(path).catch(() => undefined);
    // Of two names the one that is the file's own is shown.
    if (realPath !== undefined && (realPath === path || !found.has(realPath))) found.set(realPath, path);
  }
}
