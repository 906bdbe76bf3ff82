/** `text` as bytes, one for each character. */
export function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** What {@link bytes} was given; undefined stays undefined. */
export function textOf(value: Uint8Array | undefined): string | undefined {
  return value && Buffer.from(value).toString('latin1');
}

/** A key of 8 bytes, big endian, so that keys are in the order of their numbers. */
export function numberKey(number: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(number));
  return key;
}
