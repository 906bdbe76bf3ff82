import { existsSync, lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import path from 'node:path';
import { BenchError } from './bench-error.js';
import { run } from './process.js';

/** Bytes that a directory's files take on disk. */
export function diskBytes(dir: string): number {
  let bytes = 0;
  for (const entry of readdirSync(dir, { recursive: true, encoding: 'utf8' })) {
    const stat = lstatSync(path.join(dir, entry), { throwIfNoEntry: false });
    bytes += (stat?.blocks ?? 0) * 512;
  }
  return bytes;
}

/** Writes everything back, then makes the kernel forget what it has cached of files. */
export async function dropCaches(): Promise<void> {
  await run('sync', []);
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}

/** How much the kernel reads around what is missed in a file on the disk of `dir`; undefined where that is not a disk. */
export function readAheadKiB(dir: string): number | undefined {
  // MKDEV of the kernel, as stat packs it.
  const { dev } = statSync(dir);
  const device = `/sys/dev/block/${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  const file = [`${device}/queue/read_ahead_kb`, `${device}/../queue/read_ahead_kb`].find((path) => existsSync(path));
  return file === undefined ? undefined : Number(readFileSync(file, 'utf8'));
}

/** True if something is mounted exactly at `mountPoint`. */
export function isMounted(mountPoint: string): boolean {
  return mountsUnder(mountPoint).includes(mountPoint);
}

/** What is mounted at `dir` or below, the deepest and latest first. */
export function mountsUnder(dir: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  return mounts
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter((mount) => mount === dir || mount.startsWith(`${dir}/`))
    .reverse();
}

function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Unmounts whatever is mounted at `dir` or below. */
export async function unmountAll(dir: string): Promise<void> {
  for (const mount of mountsUnder(dir)) {
    await run('umount', [mount]).catch(() => run('umount', ['-l', mount]));
  }
}

/**
 * Waits until `done` says so.
 *
 * @throws {BenchError} after `seconds`
 */
export async function waitFor(what: string, done: () => boolean, seconds = 60): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!done()) {
    if (Date.now() > deadline) throw new BenchError(`waited ${seconds} s for ${what}`);
    await sleep(10);
  }
}

/** True while there is a process `pid`. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Kills processes and waits until they are gone: SIGTERM, then SIGKILL for those that do not end. */
export async function endProcesses(pids: () => number[]): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const pid of pids()) {
      if (isAlive(pid)) process.kill(pid, signal);
    }
    const gone = await waitFor('processes to end', () => pids().length === 0, 10).then(
      () => true,
      () => false,
    );
    if (gone) return;
  }
}
