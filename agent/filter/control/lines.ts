import { UmbraError } from '../../../src/common/errors.js';

/** Longer ones are nobody's request and no answer of ours. */
export const MAX_LINE_BYTES = 1024 * 1024;

/**
 * The lines of a connection, without their ends.
 * @throws {UmbraError} BAD_ARGUMENT for a line that is too long; and what the stream throws
 */
export async function* boundedLines(stream: AsyncIterable<Buffer>): AsyncGenerator<string, undefined> {
  let waiting: Buffer[] = [];
  let length = 0;
  for await (const bytes of stream) {
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      yield Buffer.concat([...waiting, bytes.subarray(start, end)]).toString('utf8');
      waiting = [];
      length = 0;
      start = end + 1;
    }
    waiting.push(bytes.subarray(start));
    length += bytes.length - start;
    if (length > MAX_LINE_BYTES) throw new UmbraError('BAD_ARGUMENT', `a line has more than ${MAX_LINE_BYTES} bytes`);
  }
  return undefined;
}
