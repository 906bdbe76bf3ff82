import type { DirectoryItem, FileId, Filesystem } from '../../mount/filesystems/filesystem.js';
import { UmbraError } from '../common/errors.js';

/** Longer paths than this are in no file system that is in order. */
const MAX_PATH_CHARACTERS = 64 * 1024;

/** An entry of a directory, met on a walk. */
export interface WalkedItem<S> {
  readonly path: string;
  readonly item: DirectoryItem;
  /** What `step` gave for it. */
  readonly state: S;
}

export interface WalkOptions<S> {
  readonly filesystem: Filesystem;
  /** The directory that is walked, and its path. */
  readonly id: FileId;
  readonly path: string;
  readonly state: S;
  /** The state of an entry of a directory with this state. */
  readonly step: (state: S, name: string) => S;
  /** Whether anything below an entry with this state is asked for. */
  readonly enters: (state: S) => boolean;
  /** Called for a directory that can't be read, or not to its end; what it throws ends the walk. */
  readonly onError: (path: string, error: unknown) => void;
  readonly signal: AbortSignal;
}

/**
 * Everything below a directory, each directory before what is in it, in the order in which the guest's directories have
 * their entries. Memory is taken for the directories that are still to be read. A directory that is met again, as in a
 * damaged file system that leads in a circle, is not entered twice.
 */
export async function* walkTree<S>(options: WalkOptions<S>): AsyncGenerator<WalkedItem<S>> {
  const { filesystem, step, enters, onError, signal } = options;
  const entered = new Set<FileId>([options.id]);
  const pending = [{ id: options.id, path: options.path, state: options.state }];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const { path: above, state: stateAbove } = directory;
    const found: typeof pending = [];
    try {
      for await (const batch of filesystem.readDirectory(directory.id)) {
        signal.throwIfAborted();
        for (const item of batch) {
          const path = `${above}/${item.name}`;
          const state = step(stateAbove, item.name);
          yield { path, item, state };
          if (!enters(state) || !(await isDirectory(filesystem, item, path, onError))) continue;
          if (entered.has(item.id) || path.length > MAX_PATH_CHARACTERS) onError(path, circle(path));
          else {
            entered.add(item.id);
            found.push({ id: item.id, path, state });
          }
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      onError(above, error);
    }
    // The first one that was found is next.
    for (let next = found.pop(); next !== undefined; next = found.pop()) pending.push(next);
  }
}

async function isDirectory(
  filesystem: Filesystem,
  item: DirectoryItem,
  path: string,
  onError: WalkOptions<unknown>['onError'],
): Promise<boolean> {
  if (item.type !== undefined) return item.type === 'directory';
  try {
    return (await filesystem.stat(item.id)).type === 'directory';
  } catch (error) {
    onError(path, error);
    return false;
  }
}

function circle(path: string): UmbraError {
  return new UmbraError('FILESYSTEM_DAMAGED', `the directory ${path} leads in a circle`);
}
