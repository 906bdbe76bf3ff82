import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { systemCode } from '../common/errors.js';
import { serverUrl, type HostAndPort } from '../protocol/server-address.js';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '../protocol/version.js';
import type { Message } from './message.js';
import { connectionError, silence } from './connection-error.js';

/** How a client shows who it is: not at all, by a token, or by a key and its certificate in PEM. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'certificate'; readonly key: string; readonly certificate: string };

export interface HttpsTransportOptions {
  readonly server: HostAndPort;
  /** The certificate of the authority that must have signed the server's, in PEM; no other is believed. */
  readonly authority: string;
  readonly credentials: Credentials;
  readonly connectTimeoutMs?: number;
}

/** A request under way, and its answer. */
export interface StreamedRequest {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
}

/** How long a server may take to accept a connection and shake hands. */
export const CONNECT_TIMEOUT_MS = 10_000;
const MOST_SOCKETS = 8;

/** Sends requests to a server over HTTPS, on connections that stay open. */
export class HttpsTransport {
  readonly #options: HttpsTransportOptions;
  readonly #agent: Agent;

  constructor(options: HttpsTransportOptions) {
    const { authority, credentials } = options;
    this.#options = options;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: MOST_SOCKETS,
      ca: authority,
      minVersion: 'TLSv1.3',
      ...(credentials.kind === 'certificate' ? { key: credentials.key, cert: credentials.certificate } : {}),
    });
  }

  /**
   * Send one request, and give its answer as soon as the header is there.
   * @throws {UmbraError} SERVER_UNREACHABLE, SERVER_UNKNOWN
   */
  send(message: Message): Promise<IncomingMessage> {
    const { server, credentials, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    const body = message.body === undefined ? undefined : JSON.stringify(message.body);
    return new Promise((resolve, reject) => {
      const request = httpsRequest({
        agent: this.#agent,
        host: server.host,
        port: server.port,
        method: message.method,
        path: message.path,
        // Addresses are in the certificate, but not in the name that is asked for (RFC 6066, 3).
        servername: isIP(server.host) === 0 ? server.host : '',
        headers: {
          [PROTOCOL_HEADER]: PROTOCOL_VERSION,
          ...(credentials.kind === 'token' ? { authorization: `Bearer ${credentials.token}` } : {}),
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        },
      });
      request.on('socket', (socket) => {
        if (!socket.connecting) return;
        const timer = setTimeout(() => {
          request.destroy(silence(server, connectTimeoutMs));
        }, connectTimeoutMs);
        const stop = (): void => {
          clearTimeout(timer);
        };
        socket.once('secureConnect', stop).once('close', stop);
      });
      request.on('response', resolve);
      request.on('error', (error) => {
        // A server closes a connection that was idle just when it is used again: what changes nothing is asked again.
        if (request.reusedSocket && systemCode(error) === 'ECONNRESET' && message.method === 'GET') {
          this.send(message).then(resolve, reject);
        } else {
          reject(connectionError(error, server));
        }
      });
      request.end(body);
    });
  }

  /**
   * A request whose body is written while its answer is read, on a connection of its own; given when the header is there.
   * @throws {UmbraError} SERVER_UNREACHABLE, SERVER_UNKNOWN
   */
  stream({ method, path }: Message): Promise<StreamedRequest> {
    const { server, authority, credentials, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    return new Promise((resolve, reject) => {
      const request = httpsRequest({
        agent: false,
        host: server.host,
        port: server.port,
        method,
        path,
        servername: isIP(server.host) === 0 ? server.host : '',
        ca: authority,
        minVersion: 'TLSv1.3',
        ...(credentials.kind === 'certificate' ? { key: credentials.key, cert: credentials.certificate } : {}),
        headers: {
          [PROTOCOL_HEADER]: PROTOCOL_VERSION,
          ...(credentials.kind === 'token' ? { authorization: `Bearer ${credentials.token}` } : {}),
        },
      });
      const timer = setTimeout(() => {
        request.destroy(silence(server, connectTimeoutMs));
      }, connectTimeoutMs);
      request.on('response', (response) => {
        clearTimeout(timer);
        resolve({ request, response });
      });
      request.on('error', (error) => {
        clearTimeout(timer);
        reject(connectionError(error, server));
      });
      request.flushHeaders();
    });
  }

  /** Where the server is, as people write it. */
  get url(): string {
    return serverUrl(this.#options.server);
  }

  /** Close the connections that are idle. */
  close(): void {
    this.#agent.destroy();
  }
}
