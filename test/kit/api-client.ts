import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { socketAddress } from '../../src/protocol/socket-path.js';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

export interface AskOptions {
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** Ask a server something without the product's client. `body` is sent as it is when it is text; a stream is an array of lines. */
export async function ask(
  store: string,
  method: string,
  path: string,
  body?: unknown,
  { headers = {}, signal }: AskOptions = {},
): Promise<Answer> {
  const address = socketAddress(store);
  const text = body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({
      socketPath: address.path,
      method,
      path,
      // Without its length, the body of a DELETE would be taken for the next request.
      headers: { 'content-length': String(Buffer.byteLength(text)), ...headers },
      agent: false,
      ...(signal && { signal }),
    });
    outgoing.on('response', resolve).on('error', reject);
    outgoing.end(text);
  }).finally(address.release);
  let answer = '';
  response.setEncoding('utf8');
  for await (const part of response) answer += String(part);
  const isStream = response.headers['content-type'] === 'application/x-ndjson';
  if (response.headers['content-type']?.startsWith('text/plain') === true) {
    return { status: response.statusCode ?? 0, headers: response.headers, body: answer };
  }
  const parsed: unknown = isStream
    ? answer
        .trimEnd()
        .split('\n')
        .map((line): unknown => JSON.parse(line))
    : JSON.parse(answer);
  return { status: response.statusCode ?? 0, headers: response.headers, body: parsed };
}

/** Send bytes to a server and give what comes back until it closes the connection. */
export function sendBytes(store: string, bytes: string | Uint8Array): Promise<string> {
  const address = socketAddress(store);
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(address.path);
    socket.setEncoding('latin1');
    socket.on('data', (more: string) => (text += more));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      address.release();
      resolve(text);
    });
    socket.end(bytes);
  });
}

/** Wait until `condition` holds. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
