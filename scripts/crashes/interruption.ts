/** Aborted by Ctrl-C, and by SIGTERM: what runs in rounds ends after the one that it is in, so that it leaves nothing behind. */
export function endsAfterRound(): AbortSignal {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.stdout.write('interrupted: ending after this round\n');
      interrupted.abort();
    });
  }
  return interrupted.signal;
}
