import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** A machine that is backed up by an agent, whatever runs it. It has two disks, and its guest writes to them in lockstep. */
export interface FleetMachine {
  /** As its host and the store call it. */
  readonly name: string;
  /** What the agent's configuration says to find it; lists of several machines are joined. */
  readonly settings: Readonly<Record<string, readonly unknown[]>>;
  /** The names of its disks: the first gets each number before the second. */
  readonly volumes: readonly [string, string];
  /** The best there is when absent. */
  readonly tracker?: 'auto' | 'differencing';
  /** Its images lie where the agent's state does: when that disk is full QEMU stops it, and whoever makes room there resumes it. */
  readonly isOnFilledDisk?: boolean;
  /** Also again, after {@link kill}. */
  start(): Promise<void>;
  /** SIGKILL what its disks go through. */
  kill(): Promise<void>;
  /** Resolves when its guest has written some more. */
  writes(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** `running`, or why not. */
  state(): Promise<string>;
  /** False while a guest agent holds its file systems, or can't be asked; without it there is none. */
  isThawed?(): Promise<boolean>;
  /** Do what an error of the agent's asks for, where whoever runs the machine can't be backed up from any more. */
  followHint?(): Promise<void>;
  /** What there is of an agent's that has no business being there when no backup runs. @param isFollowed - false: nothing has */
  left(isFollowed?: boolean): Promise<string[]>;
  /** Compare with raw files, all blocks, while it is paused: for each volume that differs, where. */
  differences(raw: (volume: string) => string): Promise<string[]>;
}

const run = promisify(execFile);

/** Compare a raw file with what QEMU reads at a place. @returns where they differ first, or nothing */
export async function compareRaw(file: string, place: string): Promise<string[]> {
  try {
    await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', file, place]);
    return [];
  } catch (error) {
    return [`${file}: ${String(error instanceof Error && 'stdout' in error ? error.stdout : error)}${String(error)}`];
  }
}

/** What is not of one and the same checkpoint, of bitmaps `umbra-ID-…` or checkpoints `umbra-ID`; any if none is followed from. */
export function ofSeveral(names: readonly string[], isFollowed = true): string[] {
  const ids = new Set(names.map((name) => /^umbra-[a-z0-9]+/.exec(name)?.[0]));
  return ids.size > (isFollowed ? 1 : 0) ? [...names] : [];
}
