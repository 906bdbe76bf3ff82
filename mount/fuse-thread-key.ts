import koffi from 'koffi';
import { UmbraError } from '../src/common/errors.js';

const libc = koffi.load('libc.so.6');
const pthreadKeyCreate = libc.func('int pthread_key_create(_Out_ uint32_t *key, void *destructor)');
const pthreadKeyDelete = libc.func('int pthread_key_delete(uint32_t key)');
const dlsym = libc.func('void *dlsym(void *handle, const char *name)');

/**
 * Makes a thread-specific key; the C library gives the lowest number that is free.
 * @param destructor the address of a C function, called with the thread's value when a thread ends
 */
function createKey(destructor: unknown): number | undefined {
  const key: [number] = [0];
  return pthreadKeyCreate(key, destructor) === 0 ? key[0] : undefined;
}

function nextKey(): number | undefined {
  const key = createKey(null);
  if (key !== undefined) pthreadKeyDelete(key);
  return key;
}

/** Taken before fuse-native is loaded, so this is the key that it makes for what it keeps for each thread. */
const fuseNativeKey = nextKey();

/**
 * Makes threads of FUSE say when they end. fuse-native keeps a piece of memory for each thread of libfuse and never
 * learns that the thread is gone. From now on `time(2)` is called with the address of that memory when the thread ends:
 * it writes the time over the memory's first eight bytes, which are of no use any more, and nobody needs to be called.
 *
 * To be called once, after fuse-native was loaded and before anything is mounted.
 * @returns false if that can't be arranged; then the memory of threads that ended is not found
 * @throws {UmbraError} INTERNAL
 */
export function markEndedThreads(): boolean {
  const time: unknown = dlsym(null, 'time');
  if (fuseNativeKey === undefined || time === null || nextKey() === fuseNativeKey) return false;
  pthreadKeyDelete(fuseNativeKey);
  const again = createKey(time);
  if (again === fuseNativeKey) return true;
  // Without its key fuse-native would take memory for every request. No thread makes keys at this time, so it can't be.
  throw new UmbraError('INTERNAL', 'the thread key of fuse-native was taken by another thread');
}
