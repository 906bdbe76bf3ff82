import type { ByteRange } from '../../../src/protocol/api.js';
import { ALLOCATION_CONTEXT, ALLOCATION_ZERO } from './constants.js';
import type { NbdClient } from './nbd-client.js';

/** A range of which a server says one thing. */
export interface FlaggedRange extends ByteRange {
  readonly flags: number;
}

/**
 * What a meta context says of a range, without gaps; neighbours of which it says the same are joined as far as they come in
 * one answer.
 * @throws {UmbraError} IMAGE_FAILED
 */
export async function* statusOf(
  client: NbdClient,
  context: string,
  { offset, length }: ByteRange,
): AsyncGenerator<FlaggedRange> {
  const end = offset + length;
  for (let at = offset; at < end;) {
    for (const extent of await client.status(context, at, end - at)) {
      yield { offset: at, length: extent.length, flags: extent.flags };
      at += extent.length;
    }
  }
}

/**
 * A range in parts, with what of it the server knows to read as zeros.
 * @throws {UmbraError} IMAGE_FAILED
 */
export async function* withZeros(
  client: NbdClient,
  range: ByteRange,
): AsyncGenerator<ByteRange & { readonly isZero?: boolean }> {
  for await (const { offset, length, flags } of statusOf(client, ALLOCATION_CONTEXT, range)) {
    const isZero = (flags & ALLOCATION_ZERO) !== 0;
    yield isZero ? { offset, length, isZero } : { offset, length };
  }
}

/**
 * What the server does not know to be zeros, neighbours joined.
 * @throws {UmbraError} IMAGE_FAILED
 */
export async function* dataExtents(client: NbdClient): AsyncGenerator<ByteRange> {
  const { sizeBytes } = client.info;
  let start = 0;
  let at = 0;
  while (at < sizeBytes) {
    for (const { length, zero } of await client.allocation(at, sizeBytes - at)) {
      if (zero) {
        if (at > start) yield { offset: start, length: at - start };
        start = at + length;
      }
      at += length;
    }
  }
  if (at > start) yield { offset: start, length: at - start };
}
