import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { messageOf, UmbraError } from '../../common/errors.js';
import { VERSION } from '../../protocol/version.js';
import type { Delivered, Sending } from '../channel.js';
import { jsonOf } from '../message-text.js';
import type { Message } from '../message.js';
import { readSecret, type SecretSource } from '../secret.js';

export interface WebhookOptions {
  /** Often it holds a secret itself. */
  readonly url: { readonly text: string } | SecretSource;
  /** With which messages are signed. */
  readonly secret?: SecretSource;
  /** A file of PEM: authorities to believe, instead of those that Node.js knows. */
  readonly ca?: string;
}

/** An answer is not looked at; more of it than this is not waited for. */
const MOST_ANSWER_BYTES = 64 * 1024;

/**
 * POST a message as JSON. `Umbra-Signature` is `t=SECONDS,v1=HEX`: HMAC-SHA256, keyed with the secret, of `SECONDS.BODY`.
 * Any 2xx is a yes.
 * @throws {UmbraError} NOTIFY_FAILED
 */
export async function sendWebhook(options: WebhookOptions, message: Message, { signal }: Sending): Promise<Delivered> {
  signal.throwIfAborted();
  const url = webhookUrl(options.url);
  const body = Buffer.from(jsonOf(message));
  const headers = {
    'content-type': 'application/json',
    'content-length': body.length,
    'user-agent': `umbra/${VERSION}`,
    'umbra-alert-id': message.id,
    ...(options.secret && { 'umbra-signature': signature(options.secret, message.madeMs, body) }),
  };
  const status = await post(url, { method: 'POST', headers, agent: false, signal, ...trusted(options.ca) }, body);
  if (status >= 200 && status < 300) return {};
  const redirect = status >= 300 && status < 400 ? '; where it sends elsewhere is not followed' : '';
  throw new UmbraError('NOTIFY_FAILED', `${url.host} answers ${status}${redirect}`);
}

/** An address that messages may go to: encrypted, but on this machine. @throws {UmbraError} NOTIFY_FAILED */
export function webhookUrl(source: WebhookOptions['url']): URL {
  const text = 'text' in source ? source.text : readSecret(source);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw new UmbraError('NOTIFY_FAILED', 'the address of the webhook is no URL');
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isHere))
    throw new UmbraError('NOTIFY_FAILED', 'the address of the webhook must begin with https://');
  if (url.username === '' && url.password === '') return url;
  throw new UmbraError('NOTIFY_FAILED', 'the address of the webhook must have no name and password in it');
}

function signature(secret: SecretSource, madeMs: number, body: Buffer): string {
  const seconds = Math.floor(madeMs / 1000);
  const hmac = createHmac('sha256', readSecret(secret)).update(`${seconds}.`).update(body);
  return `t=${seconds},v1=${hmac.digest('hex')}`;
}

function trusted(file: string | undefined): Pick<RequestOptions, 'ca'> {
  if (file === undefined) return {};
  try {
    return { ca: readFileSync(file) };
  } catch (cause) {
    throw new UmbraError('NOTIFY_FAILED', `the authorities cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** @returns the status of the answer */
function post(url: URL, options: RequestOptions, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const take = (response: IncomingMessage): void => {
      drain(response);
      resolve(response.statusCode ?? 0);
    };
    const request: ClientRequest =
      url.protocol === 'https:' ? httpsRequest(url, options, take) : httpRequest(url, options, take);
    request.on('error', (cause) => {
      reject(new UmbraError('NOTIFY_FAILED', `${url.host} cannot be told: ${messageOf(cause)}`, { cause }));
    });
    request.end(body);
  });
}

/** Whoever answers at length is not cut off at once, and not listened to for long; the time limit holds for it as well. */
function drain(response: IncomingMessage): void {
  let bytes = 0;
  response.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes > MOST_ANSWER_BYTES) response.destroy();
  });
  // The answer is known; that the rest of it does not come says nothing.
  response.on('error', () => undefined);
}
