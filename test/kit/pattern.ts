/** `length` bytes 0, 1, 2, … 250, 0, 1, …: the input of published test vectors. */
export function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, index) => index % 251));
}
