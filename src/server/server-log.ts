import { closeSync, constants, openSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, systemCode } from '../common/errors.js';

const LOG_NAME = 'server.log';
/** A log larger than this becomes server.log.1 when the next server starts, and the one before it goes. */
const ROTATE_AT_BYTES = 1024 * 1024;

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
