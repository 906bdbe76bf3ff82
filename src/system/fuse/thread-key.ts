import koffi from 'koffi';
import { UmbraError } from '../../common/errors.js';

/** The C library's thread-specific keys, as numbers; it always gives the lowest that is free. */
export interface ThreadKeys {
  /** @param destructor the address of a C function, called with a thread's value when the thread ends */
  create(destructor: unknown): number;
  delete(key: number): void;
  /** The address of `time(2)`. */
  readonly time: unknown;
}

/** Undefined where the C library does not have them under these names. */
export function threadKeys(): ThreadKeys | undefined {
  try {
    const process = koffi.load(null);
    const create = process.func('int pthread_key_create(_Out_ uint32_t *key, void *destructor)');
    const remove = process.func('int pthread_key_delete(uint32_t key)');
    const dlsym = process.func('void *dlsym(void *handle, const char *name)');
    const time: unknown = dlsym(null, 'time');
    if (time === null) return undefined;
    return {
      create(destructor) {
        const key: [number] = [0];
        return create(key, destructor) === 0 ? key[0] : -1;
      },
      delete: (key) => void remove(key),
      time,
    };
  } catch {
    return undefined;
  }
}

/**
 * Loads fuse-native such that threads of FUSE say when they end. fuse-native keeps a piece of memory for each thread of
 * libfuse, under a key that it makes when it is loaded, and never learns that the thread is gone. Its key is given a
 * destructor here: `time(2)`, called with the address of that memory when the thread ends, writes the time over the
 * memory's first eight bytes, which are of no use any more, and nobody needs to be called.
 *
 * Which key is fuse-native's is not asked but proven: exactly one was made while it was loaded, the lowest that was free.
 * @param load loads it and does nothing else
 * @returns whether threads are marked; if not, the memory of those that ended is not found
 * @throws {UmbraError} INTERNAL
 */
export function loadMarkingThreads<T>(
  load: () => T,
  keys = threadKeys(),
): { readonly loaded: T; readonly marked: boolean } {
  if (keys === undefined) return { loaded: load(), marked: false };
  const [first, second] = freeKeys(keys);
  const loaded = load();
  const [now] = freeKeys(keys);
  if (first < 0 || second <= first || now !== second) return { loaded, marked: false };
  keys.delete(first);
  const again = keys.create(keys.time);
  if (again === first) return { loaded, marked: true };
  // Without its key fuse-native would take memory for every request. Only another thread that makes a key in this very
  // moment could bring that about.
  throw new UmbraError('INTERNAL', 'the thread key of fuse-native was taken by another thread', {
    hint: 'Run "umbra stop" and try again.',
  });
}

/** The two keys that would be made next, or -1 where there are none. */
function freeKeys(keys: ThreadKeys): [number, number] {
  const first = keys.create(null);
  const second = keys.create(null);
  for (const key of [first, second]) if (key >= 0) keys.delete(key);
  return [first, second];
}
