import { closeSync, writeSync } from 'node:fs';
import { systemClock } from '../../src/common/clock.js';
import { messageOf } from '../../src/common/errors.js';
import { stderrLog } from '../../src/system/line-log.js';
import { toWireError } from '../../src/protocol/wire-error.js';
import { Filter } from './filter.js';
import { parseFilterSettings, START_FD } from './start-filter.js';

// The program of a filter. It outlives whoever starts it: machines write through it.

const log = stderrLog(systemClock);
try {
  await run();
} catch (error) {
  report({ error: toWireError(error) });
  log.error('filter: cannot start', { reason: messageOf(error) });
  process.exitCode = 1;
}
process.exit();

async function run(): Promise<void> {
  const settings = parseFilterSettings(process.argv[2]);
  process.title = `umbra agent filter ${settings.directory}`;
  // Modes come from the kernel with the caller's mask applied.
  process.umask(0);
  const filter = await Filter.start({ ...settings, clock: systemClock, log });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      filter.unmountWhenFree();
    });
  }
  process.on('SIGHUP', () => undefined);
  log.info('filter: mounted', { directory: settings.directory });
  report({ ready: true });
  await filter.ended;
}

/** To who started it; the pipe is not there for a service manager. */
function report(line: object): void {
  try {
    writeSync(START_FD, `${JSON.stringify(line)}\n`);
    closeSync(START_FD);
  } catch {
    // Nobody waits for it.
  }
}
