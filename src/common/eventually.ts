/**
 * What is there at once or comes later. A promise costs turns of the microtask queue at each step of the way; what is asked for
 * thousands of times a second and is in memory nearly always is given without one.
 */
export type Eventually<T> = T | Promise<T>;

/** `next` of the value: now if it is there, else when it comes. What `next` throws is thrown, or rejects. */
export function after<T, R>(value: Eventually<T>, next: (value: T) => Eventually<R>): Eventually<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
