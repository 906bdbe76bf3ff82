import { closeSync, constants, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../common/clock.js';
import { messageOf, systemCode } from '../common/errors.js';
import type { Log, LogFields } from '../common/log.js';

const LOG_NAME = 'server.log';
/** A log larger than this becomes server.log.1 when the next server starts, and the one before it goes. */
const ROTATE_AT_BYTES = 1024 * 1024;

/** From the most to the least that is said. */
export const LOG_LEVELS = ['info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** One JSON object a line, or with `human` a line for people. Never throws: a full disk must not end the server. */
export function lineLog(write: (line: string) => void, clock: Clock, human: boolean): Log {
  const log = (level: LogLevel, message: string, fields: LogFields): void => {
    const time = new Date(clock.now()).toISOString();
    try {
      write(
        human ? humanLine(time, level, message, fields) : `${JSON.stringify({ time, level, message, ...fields })}\n`,
      );
    } catch {
      // There is nowhere left to say it.
    }
  };
  return {
    info: (message, fields = {}) => {
      log('info', message, fields);
    },
    warn: (message, fields = {}) => {
      log('warn', message, fields);
    },
    error: (message, fields = {}) => {
      log('error', message, fields);
    },
  };
}

function humanLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const details = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${String(value)}`);
  return `${time} ${level === 'info' ? '' : `${level}: `}${message}${details.join('')}\n`;
}

/** A log that leaves out what is less than `least`. */
export function logFrom(least: LogLevel, log: Log): Log {
  if (least === 'info') return log;
  return {
    info: () => undefined,
    warn: (message, fields) => {
      if (least === 'warn') log.warn(message, fields);
    },
    error: (message, fields) => {
      log.error(message, fields);
    },
  };
}

/** Logs to standard error: for people on a terminal, else as JSON. */
export function stderrLog(clock: Clock): Log {
  return lineLog((line) => writeSync(2, line), clock, process.stderr.isTTY);
}

/**
 * Make the log file of a store the standard output and error of this process, so that what Node
 * itself says when it dies is there too. Called before anything else writes to them.
 */
export function redirectOutputToLog(store: string): void {
  const path = join(store, LOG_NAME);
  rotate(path);
  for (const fd of [1, 2]) {
    closeSync(fd);
    // open(2) gives the lowest free number, which is the one just closed.
    const opened = openSync(
      path,
      constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW,
      0o600,
    );
    if (opened !== fd) closeSync(opened);
  }
}

function rotate(path: string): void {
  try {
    if (statSync(path).size > ROTATE_AT_BYTES) renameSync(path, `${path}.1`);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

/** What a log keeps of a defect. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
}
