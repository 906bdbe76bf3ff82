import type { IncomingMessage } from 'node:http';
import { messageOf, UmbraError } from '../common/errors.js';
import { fromWireError, isWireError } from '../protocol/wire-error.js';

/** An answer in JSON is shorter than this. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** @throws {UmbraError} the error of an answer that is not a good one */
export async function readJson(response: IncomingMessage): Promise<unknown> {
  if (response.statusCode !== 200) throw await errorOf(response);
  return await bodyOf(response);
}

/** The error that an answer is. */
export async function errorOf(response: IncomingMessage): Promise<UmbraError> {
  const body = await bodyOf(response);
  if (typeof body === 'object' && body !== null && 'error' in body && isWireError(body.error)) {
    return fromWireError(body.error);
  }
  return new UmbraError('SERVER_UNREACHABLE', `the server answered with HTTP status ${response.statusCode ?? 0}`);
}

async function bodyOf(response: IncomingMessage): Promise<unknown> {
  try {
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > MAX_ANSWER_BYTES) throw new UmbraError('SERVER_UNREACHABLE', 'it is too long');
      parts.push(part);
    }
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as unknown;
  } catch (cause) {
    throw new UmbraError('SERVER_UNREACHABLE', `the server broke off its answer: ${messageOf(cause)}`, { cause });
  }
}
