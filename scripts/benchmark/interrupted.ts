import { log } from './log.js';

/** Aborted when somebody ends the benchmark, which takes away then what it has made. */
export function untilInterrupted(): AbortSignal {
  const abort = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      log('interrupted: cleaning up');
      abort.abort();
    });
  }
  return abort.signal;
}
