import { readFile, stat } from 'node:fs/promises';
import { systemCode } from '../../../src/common/errors.js';
import { readAlive, type Alive } from './alive.js';
import { LogState } from './log-state.js';
import { decodeHeader, decodeRecord, HEADER_BYTES, type LogRecord } from './records.js';

/** A larger one is not ours. */
const MAX_LOG_BYTES = 256 * 1024 * 1024;

/** What a log that can be trusted says. */
export interface ReadLog {
  readonly state: LogState;
  readonly generation: Buffer;
  readonly nextSequence: number;
  readonly alive: Alive;
  readonly end: 'clean' | 'killed' | 'power-cut';
}

export interface LogPlace {
  readonly logPath: string;
  readonly alivePath: string;
  /** Device and inode of the directory that it belongs to. */
  readonly root: string;
  /** Names this run of the kernel. */
  readonly boot: string;
}

/**
 * Read the log that an earlier process left.
 * @returns it, or why it can't be trusted: in plain words
 */
export async function readLog(place: LogPlace): Promise<ReadLog | { readonly lost: string }> {
  const alive = await readAlive(place.alivePath);
  const bytes = await readBounded(place.logPath);
  if (bytes === undefined)
    return { lost: alive === undefined ? 'there was no change log yet' : 'the change log is missing' };
  if (bytes === 'too large') return { lost: 'the change log is larger than it can be' };
  if (alive === undefined) return { lost: 'the file beside the change log is missing or damaged' };
  return interpret(bytes, alive, place);
}

async function readBounded(path: string): Promise<Buffer | 'too large' | undefined> {
  try {
    return (await stat(path)).size > MAX_LOG_BYTES ? 'too large' : await readFile(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function interpret(bytes: Buffer, alive: Alive, place: LogPlace): ReadLog | { readonly lost: string } {
  const header = decodeHeader(bytes);
  if (header === undefined) return { lost: 'the change log begins with something else' };
  const { generation, firstSequence } = header;
  if (alive.generation !== generation.toString('hex')) return { lost: 'the change log is of another time' };
  const state = new LogState();
  let at = HEADER_BYTES;
  let sequence = firstSequence;
  let last: LogRecord | undefined;
  let started: Extract<LogRecord, { t: 'started' }> | undefined;
  for (;;) {
    const found = decodeRecord(generation, bytes, at);
    if (found?.sequence !== sequence) break;
    last = found.record;
    if (last.t === 'started') started = last;
    state.apply(last);
    at = found.end;
    sequence++;
  }
  if (started?.root !== place.root) return { lost: 'the change log is of another directory' };
  if (sequence <= alive.sequence) return { lost: 'records at the end of the change log are missing' };
  const sameBoot = started.boot === place.boot;
  // Only a power cut tears: what a killed process wrote stays as it is.
  if (at < bytes.length && (sameBoot || hasRecordBehind(generation, bytes, at))) {
    return { lost: `the change log is damaged at byte ${at}` };
  }
  const end = last?.t === 'clean' ? 'clean' : sameBoot ? 'killed' : 'power-cut';
  return { state, generation, nextSequence: sequence, alive, end };
}

/** Whole records behind a broken one: what is broken had been durable, and is no torn tail. */
function hasRecordBehind(generation: Buffer, bytes: Buffer, from: number): boolean {
  for (let at = from; at < bytes.length; at++) if (decodeRecord(generation, bytes, at) !== undefined) return true;
  return false;
}
