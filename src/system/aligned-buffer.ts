import koffi from 'koffi';

/** What the kernel wants of memory that it reads into past its cache (O_DIRECT): a page does for every device. */
export const DIRECT_ALIGNMENT = 4096;

/**
 * Memory outside of the heap that begins at a page, and so may be read into with O_DIRECT.
 * @param length - bytes, a multiple of {@link DIRECT_ALIGNMENT}
 */
export function alignedBuffer(length: number): Buffer {
  const room = Buffer.allocUnsafeSlow(length + DIRECT_ALIGNMENT);
  const past = Number(koffi.address(room) % BigInt(DIRECT_ALIGNMENT));
  const start = past === 0 ? 0 : DIRECT_ALIGNMENT - past;
  return room.subarray(start, start + length);
}
