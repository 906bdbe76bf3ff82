/** Something the benchmark cannot go on with; `message` is shown as it is. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}

/** The message of anything that was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
