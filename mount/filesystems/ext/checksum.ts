import { crc32c } from '@node-rs/crc32';

/** All checksums of metadata start from here. */
export const CRC_START = 0xffffffff;

/** CRC-32C as the kernel computes it: from a state to a state, nothing inverted. */
export function crcOf(state: number, bytes: Uint8Array): number {
  return ~crc32c(bytes, ~state >>> 0) >>> 0;
}

/** The state after a little-endian 32-bit number. */
export function crcOfNumber(state: number, value: number): number {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value >>> 0);
  return crcOf(state, bytes);
}

/** The state after `bytes` whose 32-bit field at `fieldAt` is taken for zero. */
export function crcWithoutField(state: number, bytes: Uint8Array, fieldAt: number): number {
  const before = crcOf(state, bytes.subarray(0, fieldAt));
  return crcOf(crcOfNumber(before, 0), bytes.subarray(fieldAt + 4));
}

const CRC16_POLYNOMIAL = 0xa001;

/** CRC-16 (ANSI, reflected), as the kernel's crc16(): of group descriptors before metadata checksums came. */
export function crc16Of(state: number, bytes: Uint8Array): number {
  let crc = state;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ CRC16_POLYNOMIAL;
  }
  return crc;
}
