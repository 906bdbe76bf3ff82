import { writeSync } from 'node:fs';
import type { Clock } from '../common/clock.js';
import type { Log, LogFields } from '../common/log.js';

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
