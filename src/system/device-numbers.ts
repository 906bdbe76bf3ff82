/** The major and minor number in a `dev` or `rdev` of `stat`, as makedev(3) of glibc puts them together. */
export function deviceNumbers(dev: bigint): { readonly major: bigint; readonly minor: bigint } {
  return {
    major: ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xffff_f000n),
    minor: (dev & 0xffn) | ((dev >> 12n) & 0xffff_ff00n),
  };
}
