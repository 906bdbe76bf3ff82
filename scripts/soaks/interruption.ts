/**
 * Aborted by Ctrl-C, SIGTERM, SIGHUP, and when nobody reads any more what is said: then all that runs is ended at once, and a second
 * signal changes nothing. @param say - told that it is so
 */
export function endsAtOnce(say: (line: string) => void): AbortSignal {
  const interrupted = new AbortController();
  const interrupt = (why: string): void => {
    if (interrupted.signal.aborted) return;
    interrupted.abort();
    say(`${why}: ending everything`);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupt(`interrupted by ${signal}`);
    });
  }
  process.stdout.on('error', () => {
    interrupt('nobody reads this');
  });
  return interrupted.signal;
}
