/**
 * Do `work` for every item, up to `limit` of them at once, and yield the results in the order of the items, each as soon as it is there,
 * also while the next item is waited for. However it ends, nothing is running any more: whoever owns what `source` and `work` use
 * may close it.
 *
 * @param work an async function: it rejects, and does not throw
 */
export async function* mapInOrder<T, R>(
  source: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const items = source[Symbol.asyncIterator]();
  const running: Promise<R>[] = [];
  let isOver = false;
  let next: Promise<'begun' | 'end'> | undefined;
  const begin = async (): Promise<'begun' | 'end'> => {
    const item = await items.next();
    if (item.done === true) return 'end';
    if (!isOver) running.push(handled(work(item.value)));
    return 'begun';
  };
  try {
    for (let hasMore = true; hasMore || running.length > 0;) {
      if (hasMore && running.length < limit) next ??= handled(begin());
      const [first] = running;
      const event = next === undefined ? 'ready' : await firstOf(next, first);
      if (event !== 'ready') {
        next = undefined;
        hasMore = event === 'begun';
      } else if (first !== undefined) {
        yield await first;
        void running.shift();
      }
    }
  } finally {
    isOver = true;
    await next?.catch(() => undefined);
    await Promise.allSettled(running);
    // What it fails with now is less than what ended this.
    await Promise.allSettled([items.return?.()]);
  }
}

/** Whoever awaits it gets the error; until then it is no unhandled rejection. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** Which comes first. @throws what either of them fails with, if it is the first */
function firstOf<E>(next: Promise<E>, running: Promise<unknown> | undefined): Promise<E | 'ready'> {
  return running === undefined ? next : Promise.race([next, running.then(() => 'ready' as const)]);
}
