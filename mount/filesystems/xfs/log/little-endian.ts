/** A little-endian number of 64 bits, as the log has them; what is beyond 2^53 is not exact. */
export function number64LittleEndian(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at);
}
