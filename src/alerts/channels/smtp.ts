import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { messageOf, UmbraError } from '../../common/errors.js';
import { printable } from '../../common/printable.js';
import type { Delivered, Sending } from '../channel.js';
import { bodyOf, titleOf } from '../message-text.js';
import type { Message } from '../message.js';
import { readSecret, type SecretSource } from '../secret.js';

export interface SmtpOptions {
  readonly host: string;
  readonly port: number;
  /** TLS from the beginning, after STARTTLS, or not at all. Nothing is sent in the clear where TLS is asked for. */
  readonly security: 'tls' | 'starttls' | 'none';
  /** Only with TLS. */
  readonly login?: { readonly user: string; readonly password: SecretSource };
  readonly from: string;
  readonly to: readonly string[];
  /** A file of PEM: authorities to believe, instead of those that Node.js knows. */
  readonly ca?: string;
}

/** Longer than any line of a server. */
const MOST_ANSWER_BYTES = 16 * 1024;

/**
 * Mail a message: one mail, to all recipients. Those that are refused for now are left for another try; those that are refused for good are
 * noted, if anybody was not.
 * @throws {UmbraError} NOTIFY_FAILED when nobody got it
 */
export async function sendMail(options: SmtpOptions, message: Message, { signal, only }: Sending): Promise<Delivered> {
  signal.throwIfAborted();
  const to = only ?? options.to;
  const settings = settingsOf(options);
  // Who tells nobody by mail need not load it.
  const { createTransport } = await import('nodemailer');
  const transport = createTransport(settings);
  try {
    const { rejectedErrors = [] } = await transport.sendMail({
      signal,
      from: options.from,
      to: [...options.to],
      envelope: { from: options.from, to: [...to] },
      subject: titleOf(message),
      text: bodyOf(message),
      date: new Date(message.madeMs),
      messageId: `<umbra-${message.id}@${message.server}>`,
      headers: { 'Umbra-Alert-Id': message.id, 'Auto-Submitted': 'auto-generated' },
    });
    return outcomeOf(rejectedErrors);
  } catch (error) {
    const { host, port } = options;
    throw new UmbraError('NOTIFY_FAILED', `${host}:${port} does not take mail: ${printable(messageOf(error))}`, {
      cause: error,
    });
  } finally {
    transport.close();
  }
}

function settingsOf({ host, port, security, login, ca }: SmtpOptions): object {
  const auth = login && { user: login.user, pass: readSecret(login.password) };
  return {
    host,
    port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    ...(auth && { auth }),
    tls: { minVersion: 'TLSv1.2', ...(isIP(host) === 0 ? { servername: host } : {}), ...(ca && { ca: read(ca) }) },
    maxResponseSize: MOST_ANSWER_BYTES,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new UmbraError('NOTIFY_FAILED', `the authorities cannot be read: ${messageOf(cause)}`, { cause });
  }
}

interface Refusal {
  readonly recipient?: string | undefined;
  readonly responseCode?: number | undefined;
  readonly message: string;
}

function outcomeOf(refusals: readonly Refusal[]): Delivered {
  const left = refusals.filter(({ responseCode }) => (responseCode ?? 0) < 500);
  const refused = refusals.filter((refusal) => !left.includes(refusal));
  return {
    ...(left.length === 0 ? {} : { left: left.map(({ recipient }) => recipient ?? '') }),
    notes: refused.map(({ recipient, message }) => `refused for ${recipient ?? ''}: ${printable(message)}`),
  };
}
