import { closeSync, writeSync } from 'node:fs';
import { systemClock } from '../common/clock.js';
import { UmbraError } from '../common/errors.js';
import type { StartLine } from '../protocol/wire.js';
import { toWireError } from '../protocol/wire-error.js';
import { boolean, object, oneOf, path, string, validator } from '../common/params.js';
import { CIPHERS } from '../codec/aead.js';
import { askInBackground } from './key-asking.js';
import { runServer } from './serve.js';
import { lineLog } from '../system/line-log.js';
import { redirectOutputToLog } from './server-log.js';
import type { ServerParts } from './server-parts.js';

/** The pipe to the command that started this server. */
const START_FD = 3;

const number = validator({ type: 'number' }, (value, field): number => {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a number`);
});

const create = object(
  { mode: oneOf('may', 'must') },
  { codec: oneOf('zstd', 'lz4'), level: number, seed: string, format: oneOf('1', '2'), cipher: oneOf(...CIPHERS) },
);

const backgroundOptions = object({ store: path, idleExitMs: number }, { create, hasSecret: boolean });

/**
 * The whole life of a server that a command started: `argument` is its options as JSON. The
 * outcome of starting goes down the pipe as one line; after that it talks only to its log.
 */
export async function serveInBackground(argument: string | undefined, parts: ServerParts): Promise<void> {
  try {
    const { hasSecret, ...options } = backgroundOptions(JSON.parse(argument ?? 'null'), '');
    process.title = `umbra serve --store ${options.store}`;
    await runServer({
      ...options,
      parts,
      background: true,
      ask: await askInBackground(hasSecret === true),
      log: lineLog((line) => writeSync(2, line), systemClock, false),
      onLocked: () => {
        redirectOutputToLog(options.store);
      },
      onReady: () => {
        report({ ready: true });
      },
    });
  } catch (error) {
    report({ error: toWireError(error) });
    process.exitCode = 1;
  }
}

function report(line: StartLine): void {
  try {
    writeSync(START_FD, `${JSON.stringify(line)}\n`);
    closeSync(START_FD);
  } catch {
    // The command was interrupted; the server goes on without it.
  }
}
