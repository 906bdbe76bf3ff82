import { UmbraError } from '../common/errors.js';

/** A line longer than this is no answer of ours. */
const MAX_LINE_CHARACTERS = 512 * 1024 * 1024;

/**
 * The lines of a stream of UTF-8, without their ends. A last line without an end is given too.
 * @throws {UmbraError} SERVER_UNREACHABLE for an endless line; and what the stream throws
 */
export async function* lines(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  stream.setEncoding('utf8');
  let parts: string[] = [];
  let length = 0;
  for await (const text of stream as AsyncIterable<string>) {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      parts.push(text.slice(start, end));
      yield parts.join('');
      parts = [];
      length = 0;
      start = end + 1;
    }
    if (start < text.length) parts.push(text.slice(start));
    length += text.length - start;
    if (length > MAX_LINE_CHARACTERS) throw new UmbraError('SERVER_UNREACHABLE', 'the answer of the server has no end');
  }
  if (parts.length > 0) yield parts.join('');
}
