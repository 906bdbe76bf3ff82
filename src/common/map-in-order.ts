/**
 * Do `work` for every item, up to `limit` of them at once, and yield the results in the order of the items. However it
 * ends, nothing is running any more: whoever owns what `work` uses may close it.
 *
 * @param work an async function: it rejects, and does not throw
 */
export async function* mapInOrder<T, R>(
  source: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const running: Promise<R>[] = [];
  try {
    for await (const item of source) {
      const result = work(item);
      // Whoever awaits it gets the error; until then it is no unhandled rejection.
      result.catch(() => undefined);
      running.push(result);
      const first = running.length < limit ? undefined : running[0];
      if (first === undefined) continue;
      yield await first;
      void running.shift();
    }
    for (const result of running) yield await result;
  } finally {
    await Promise.allSettled(running);
  }
}
