import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import type { Test } from 'tap';
import { makeCertificateRequest } from '../../src/certificates/certificate-request.js';
import { makeKey } from '../../src/certificates/key-pair.js';
import type { CertificateAnswer, Invitation, NewToken } from '../../src/protocol/access-api.js';
import type { ListenOptions } from '../../src/server/listen-options.js';
import { ask, type Answer } from './api-client.js';
import { startFakeServer } from './fake-store.js';
import { ManualClock } from './manual-clock.js';

/** Key and certificate of a client, in PEM. */
export interface ClientIdentity {
  readonly key: string;
  readonly cert: string;
}

export interface RemoteAskOptions {
  readonly identity?: ClientIdentity;
  readonly token?: string;
  readonly headers?: Record<string, string>;
}

/** A server over the fake engine that listens on a port of this machine too, with a clock that stands still. */
export interface RemoteLab {
  readonly store: string;
  readonly clock: ManualClock;
  readonly port: number;
  /** The certificate of the server's authority. */
  readonly ca: string;
  readonly stop: () => Promise<void>;
  /** Ask at the port; a body is sent as JSON, or as it is when it is text. */
  readonly ask: (method: string, path: string, body?: unknown, options?: RemoteAskOptions) => Promise<Answer>;
  /** A TLS connection, open until the test ends. */
  readonly connect: (identity?: ClientIdentity) => Promise<TLSSocket>;
  readonly addToken: (name: string, lifeSeconds?: number) => Promise<string>;
  readonly invite: (host: string, lifeSeconds?: number) => Promise<string>;
  /** A host that is enrolled. */
  readonly agent: (host: string) => Promise<ClientIdentity>;
  /** An administrator with a certificate. */
  readonly administrator: (name: string) => Promise<ClientIdentity>;
}

/** What a client asks for a certificate with. */
export async function certificateRequest(): Promise<{ readonly key: string; readonly request: string }> {
  const key = await makeKey();
  return { key, request: await makeCertificateRequest(key) };
}

export async function startRemoteServer(
  t: Test,
  limits: NonNullable<ListenOptions['limits']> = {},
  store?: string,
): Promise<RemoteLab> {
  const clock = new ManualClock(Date.now());
  const listen = { address: { host: '127.0.0.1', port: 0 }, names: [], limits };
  const { server, store: directory } = await startFakeServer(t, { listen, clock, ...(store && { store }) });
  const status = (await ask(directory, 'GET', '/v1/status')).body as { readonly listening: string };
  const port = Number(status.listening.split(':')[1]);
  const ca = readFileSync(join(directory, 'tls', 'ca.crt'), 'utf8');
  const lab = { store: directory, clock, port, ca };
  const remoteAsk: RemoteLab['ask'] = (method, path, body, options) => askRemote(lab, method, path, body, options);
  const local = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await ask(directory, 'POST', path, body);
    if (answer.status !== 200) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const addToken = async (name: string, lifeSeconds?: number): Promise<string> =>
    ((await local('/v1/tokens', { name, ...(lifeSeconds && { lifeSeconds }) })) as NewToken).token;
  const invite = async (host: string, lifeSeconds = 3600): Promise<string> =>
    ((await local('/v1/agents/invite', { host, lifeSeconds })) as Invitation).token;
  return {
    ...lab,
    ask: remoteAsk,
    stop: async () => {
      await server.stop();
      clock.advance(1000);
      await server.ended;
    },
    connect: (identity) => connectRemote(t, lab, identity),
    addToken,
    invite,
    agent: async (host) => {
      const { key, request } = await certificateRequest();
      const { body } = await remoteAsk('POST', '/v1/agents/enrol', { token: await invite(host), host, request });
      return { key, cert: (body as CertificateAnswer).certificate };
    },
    administrator: async (name) => {
      const { key, request } = await certificateRequest();
      const { body } = await remoteAsk('POST', '/v1/login', { request }, { token: await addToken(name) });
      return { key, cert: (body as CertificateAnswer).certificate };
    },
  };
}

async function askRemote(
  { port, ca }: Pick<RemoteLab, 'port' | 'ca'>,
  method: string,
  path: string,
  body?: unknown,
  { identity, token, headers = {} }: RemoteAskOptions = {},
): Promise<Answer> {
  const text = body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      ca,
      agent: false,
      headers: {
        'content-length': String(Buffer.byteLength(text)),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...identity,
    });
    outgoing.on('response', resolve).on('error', reject);
    outgoing.end(text);
  });
  return { status: response.statusCode ?? 0, headers: response.headers, body: await bodyOf(response) };
}

async function bodyOf(response: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += String(part);
  if (typeOf(response.headers) !== 'application/json') return text;
  return JSON.parse(text);
}

function typeOf(headers: IncomingHttpHeaders): string | undefined {
  return headers['content-type'];
}

function connectRemote(
  t: Test,
  { port, ca }: Pick<RemoteLab, 'port' | 'ca'>,
  identity?: ClientIdentity,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost', ...identity }, () => {
      socket.off('error', reject);
      socket.on('error', () => undefined);
      resolve(socket);
    });
    socket.on('error', reject);
    t.teardown(() => socket.destroy());
  });
}

/** Resolves with everything that came when the other side has closed a connection. */
export function untilClosed(socket: TLSSocket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    if (socket.closed) resolve(text);
    socket.setEncoding('latin1').on('data', (more: string) => (text += more));
    socket.once('close', () => {
      resolve(text);
    });
  });
}
