import type { ByteSource } from '../blocks/byte-source.js';

/** The source of what can't be read. */
export const NOTHING: ByteSource = { sizeBytes: 0, read: () => 0, locate: () => [] };
