/** An attribute's name and where its value stands. */
export interface RawAttribute {
  readonly flags: number;
  /** Views. */
  readonly name: Buffer;
  readonly value: Buffer | RemoteValue;
}

/** A value in blocks of its own. */
export interface RemoteValue {
  /** The first block in the attribute fork. */
  readonly block: number;
  readonly length: number;
}

/** Bits that say what an attribute is. */
export const ATTRIBUTE_FLAGS = { local: 0x01, root: 0x02, secure: 0x04, parent: 0x08, incomplete: 0x80 } as const;
