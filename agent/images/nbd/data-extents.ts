import type { ByteRange } from '../../../src/protocol/api.js';
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
