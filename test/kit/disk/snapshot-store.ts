const EXCEPTION_BYTES = 16;

/**
 * Write the store of a snapshot of the device-mapper: its header, and areas of a list of chunks and those chunks
 * (drivers/md/dm-snap-persistent.c).
 * @param chunks each its number on the origin and what stood there; in the order in which they were copied
 */
export function writeSnapshotStore(
  store: Buffer,
  chunkBytes: number,
  chunks: readonly (readonly [chunk: number, bytes: Buffer])[],
): void {
  store.fill(0);
  [0x70416e53, 1, 1, chunkBytes / 512].forEach((value, index) => store.writeUInt32LE(value, index * 4));
  const perArea = chunkBytes / EXCEPTION_BYTES;
  chunks.forEach(([chunk, bytes], index) => {
    const area = 1 + Math.floor(index / perArea) * (perArea + 1);
    const target = area + 1 + (index % perArea);
    const at = area * chunkBytes + (index % perArea) * EXCEPTION_BYTES;
    store.writeBigUInt64LE(BigInt(chunk), at);
    store.writeBigUInt64LE(BigInt(target), at + 8);
    bytes.copy(store, target * chunkBytes);
  });
}
