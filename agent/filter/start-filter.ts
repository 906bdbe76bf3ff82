import { spawn, type ChildProcess } from 'node:child_process';
import { isAbsolute } from 'node:path';
import { UmbraError } from '../../src/common/errors.js';
import { fromWireError, isWireError } from '../../src/protocol/wire-error.js';
import { boundedLines } from './control/lines.js';

/** The pipe on which the filter says that it is mounted, or why not. */
export const START_FD = 3;
/** libuv's threads: so many reads, writes and syncs of images at once. */
const THREADS = 16;
const MAX_COMPLAINT = 4000;
const DEFAULT_SIDE_BYTES = 4 * 1024 ** 3;

export interface FilterSettings {
  /** Absolute: the directory of the images. */
  readonly directory: string;
  /** Absolute: where the change log, the side files and the control socket are kept. */
  readonly state: string;
  /** How much of what is overwritten each view may keep. */
  readonly sideBytes: number;
  /** Let other users in, as far as owners and modes allow. */
  readonly allowOther: boolean;
}

/** @throws {UmbraError} BAD_ARGUMENT */
export function parseFilterSettings(text: string | undefined): FilterSettings {
  let value: unknown;
  try {
    value = JSON.parse(text ?? 'null');
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', 'the settings of the filter are not JSON', { cause });
  }
  const given: Record<string, unknown> = typeof value === 'object' && value !== null ? { ...value } : {};
  const { sideBytes = DEFAULT_SIDE_BYTES, allowOther = process.getuid?.() === 0 } = given;
  if (typeof sideBytes !== 'number' || !Number.isSafeInteger(sideBytes) || sideBytes < 0) throw wrong('sideBytes');
  if (typeof allowOther !== 'boolean') throw wrong('allowOther');
  return { directory: absolute(given, 'directory'), state: absolute(given, 'state'), sideBytes, allowOther };
}

function absolute(given: Record<string, unknown>, field: string): string {
  const path = given[field];
  if (typeof path !== 'string' || !isAbsolute(path)) throw wrong(field);
  return path;
}

function wrong(field: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `"${field}" of the filter's settings is missing or wrong`);
}

export interface StartFilterOptions extends Pick<FilterSettings, 'directory' | 'state'> {
  readonly sideBytes?: number;
  readonly allowOther?: boolean;
  /** The JavaScript program of the filter. */
  readonly program: string;
}

/**
 * Start a filter in a session of its own: it goes on when this process ends.
 * @returns its process number
 * @throws {UmbraError} what {@link Filter.start} throws
 */
export async function startFilter({ program, ...settings }: StartFilterOptions): Promise<number> {
  const child = spawn(process.execPath, [program, JSON.stringify(settings)], {
    cwd: '/',
    detached: true,
    env: { ...process.env, UV_THREADPOOL_SIZE: String(THREADS) },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  try {
    const complaint = collect(child);
    await ready(child, complaint);
    return child.pid ?? 0;
  } finally {
    // Nothing of the child may keep this process alive.
    child.unref();
    for (const stream of child.stdio) stream?.destroy();
  }
}

async function ready(child: ChildProcess, complaint: Promise<string>): Promise<void> {
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', (cause) => {
      reject(new UmbraError('TRACKER_FAILED', `the filter cannot be started: ${cause.message}`, { cause }));
    });
  });
  const line = await Promise.race([failed, firstLine(child)]);
  const answer: unknown = line === undefined ? undefined : JSON.parse(line);
  if (typeof answer === 'object' && answer !== null) {
    if ('ready' in answer) return;
    if ('error' in answer && isWireError(answer.error)) throw fromWireError(answer.error);
  }
  throw new UmbraError('TRACKER_FAILED', `the filter ended before it answered: ${await complaint}`);
}

async function firstLine(child: ChildProcess): Promise<string | undefined> {
  const pipe = child.stdio[START_FD];
  if (!pipe || !('read' in pipe)) return undefined;
  for await (const line of boundedLines(pipe)) return line;
  return undefined;
}

/** What the child says on standard error until it ends. */
function collect(child: ChildProcess): Promise<string> {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (more: string) => {
    text = (text + more).slice(0, MAX_COMPLAINT);
  });
  return new Promise((resolve) => {
    child.once('close', () => {
      resolve(text.trimEnd());
    });
  });
}
