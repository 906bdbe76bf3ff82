/** Records are protected in pieces of this size, whatever the sectors' size. */
const STRIDE_BYTES = 512;

/**
 * Undo the protection of a record of several sectors ("update sequence"), in place: the last two bytes of each piece
 * must be the sequence number, and are replaced by what stood there. A record of which only a part was written fails.
 * @returns false if it is not whole
 */
export function applyFixups(record: Buffer): boolean {
  if (record.length < STRIDE_BYTES) return false;
  const arrayOffset = record.readUInt16LE(4);
  const pieces = record.readUInt16LE(6) - 1;
  if (pieces * STRIDE_BYTES !== record.length || arrayOffset % 2 !== 0) return false;
  if (arrayOffset + 2 * (pieces + 1) > STRIDE_BYTES * pieces) return false;
  const sequence = record.readUInt16LE(arrayOffset);
  for (let piece = 1; piece <= pieces; piece++) {
    const end = piece * STRIDE_BYTES - 2;
    if (record.readUInt16LE(end) !== sequence) return false;
    record.writeUInt16LE(record.readUInt16LE(arrayOffset + 2 * piece), end);
  }
  return true;
}
