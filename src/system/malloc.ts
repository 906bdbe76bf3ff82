import koffi from 'koffi';

/** Parameters of mallopt(3), from glibc's malloc.h. */
const PARAMETERS = { arenaMax: -8 } as const;

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
