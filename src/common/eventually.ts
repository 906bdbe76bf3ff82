/**
 * What is there at once or comes later. A promise costs turns of the microtask queue at each step of the way; what is asked for
 * thousands of times a second and is in memory nearly always is given without one.
 */
export type Eventually<T> = T | Promise<T>;

/** `next` of the value: now if it is there, else when it comes. What `next` throws is thrown, or rejects. */
export function after<T, R>(value: Eventually<T>, next: (value: T) => Eventually<R>): Eventually<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/**
 * Do what nobody waits for once the request that is answered now is answered, or earlier if that takes promises. Its errors are
 * nobody's.
 */
export function soon(work: () => Eventually<unknown>): void {
  Promise.resolve()
    .then(work)
    .catch(() => undefined);
}

/** The value of `work`; if that fails, `undo` is called before the error goes on. */
export function orUndo<T>(work: () => Eventually<T>, undo: () => void): Eventually<T> {
  const failed = (error: unknown): never => {
    undo();
    throw error;
  };
  let value: Eventually<T>;
  try {
    value = work();
  } catch (error) {
    return failed(error);
  }
  return value instanceof Promise ? value.catch(failed) : value;
}
