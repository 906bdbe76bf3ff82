/** A GUID as Microsoft and UEFI store it, its first three fields little-endian (UEFI specification, appendix A). */
export function guidAt(bytes: Buffer, offset: number): string {
  const first = bytes.readUInt32LE(offset).toString(16).padStart(8, '0');
  const second = bytes
    .readUInt16LE(offset + 4)
    .toString(16)
    .padStart(4, '0');
  const third = bytes
    .readUInt16LE(offset + 6)
    .toString(16)
    .padStart(4, '0');
  return `${first}-${second}-${third}-${hex(bytes, offset + 8, 2)}-${hex(bytes, offset + 10, 6)}`;
}

/** A UUID as the rest of the world stores it, byte by byte (RFC 9562). */
export function uuidAt(bytes: Buffer, offset: number): string {
  const [a, b, c, d] = [
    hex(bytes, offset, 4),
    hex(bytes, offset + 4, 2),
    hex(bytes, offset + 6, 2),
    hex(bytes, offset + 8, 2),
  ];
  return `${a}-${b}-${c}-${d}-${hex(bytes, offset + 10, 6)}`;
}

function hex(bytes: Buffer, offset: number, length: number): string {
  return bytes.toString('hex', offset, offset + length);
}
