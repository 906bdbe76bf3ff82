import koffi from 'koffi';

/** Parameters of mallopt(3), from glibc's malloc.h. */
const PARAMETERS = { trimThreshold: -1, mmapThreshold: -3, arenaMax: -8 } as const;

/**
 * Set a parameter of glibc's malloc for the whole process.
 * @returns false if this C library does not know it
 */
export function setMalloc(parameter: keyof typeof PARAMETERS, value: number): boolean {
  try {
    const mallopt: (parameter: number, value: number) => number = koffi.load('libc.so.6').func('int mallopt(int, int)');
    return mallopt(PARAMETERS[parameter], value) === 1;
  } catch {
    // Another C library has other parameters, and works without.
    return false;
  }
}

/** The most that glibc takes; a whole batch of the store's, as LevelDB has it, lies below. */
const MAP_BYTES = 32 * 1024 * 1024;
const KEEP_BYTES = 64 * 1024 * 1024;

/**
 * Have malloc use again what is freed, instead of giving it to the kernel and taking it back page by page: the 8 MiB that LevelDB takes
 * for each batch of 4, and what comes from the network. Putting 512 MiB into LevelDB took 1.9 s so, and 2.3 to 9.4 with malloc's own measure,
 * which begins with 128 KiB. {@link trimMalloc} gives it back all the same.
 */
export function keepFreedMemory(): void {
  setMalloc('mmapThreshold', MAP_BYTES);
  setMalloc('trimThreshold', KEEP_BYTES);
}

let trim: ((pad: number) => number) | undefined;

/** Give memory that malloc holds and nobody uses back to the kernel; a few milliseconds. */
export function trimMalloc(): void {
  try {
    trim ??= koffi.load('libc.so.6').func('int malloc_trim(size_t)') as (pad: number) => number;
    trim(0);
  } catch {
    // Another C library has no such call, and works without.
  }
}
