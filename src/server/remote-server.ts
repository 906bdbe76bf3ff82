import { createServer, type Server } from 'node:https';
import { Socket, type AddressInfo } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { FailedTries } from '../access/failed-tries.js';
import { ServerCertificate, type TlsIdentity } from '../certificates/server-certificate.js';
import type { Clock } from '../common/clock.js';
import { messageOf, UmbraError } from '../common/errors.js';
import type { Log } from '../common/log.js';
import { formatHostAndPort, serverUrl, type HostAndPort } from '../protocol/server-address.js';
import { addressKey } from './address-key.js';
import { Connections, DEFAULT_LIMITS, type ConnectionLimits } from './connections.js';
import type { Identified } from './exchange.js';
import { refuseConnection } from './http-server.js';
import { tlsDirectory, type RemoteAccess } from './remote-access.js';
import { identifyRemote } from './remote-identity.js';
import type { RequestHandler } from './request-handler.js';
import { reachableNames, serverNames } from './server-names.js';

export interface RemoteServerLimits extends ConnectionLimits {
  /** How long a client may take for the handshake, and then for the header of a request. */
  readonly handshakeMs: number;
  readonly headersMs: number;
}

export interface RemoteServerOptions {
  readonly store: string;
  readonly listen: HostAndPort;
  /** Further names that clients reach it by. */
  readonly names: readonly string[];
  readonly remote: RemoteAccess;
  readonly handler: RequestHandler;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits?: Partial<RemoteServerLimits>;
}

const HANDSHAKE_MS = 10_000;
const HEADERS_MS = 10_000;
const MAX_HEADER_BYTES = 16 * 1024;
/** Agents ask now and then; a handshake costs both sides more than an open connection. */
const KEEP_ALIVE_MS = 65_000;

/** The HTTPS port of a store's server: the routes of the socket, for those who show who they are. */
export class RemoteServer {
  readonly server: Server;
  readonly connections: Connections;
  /** Resolves when it was closed and the last client is gone. */
  readonly ended: Promise<void>;
  readonly #options: RemoteServerOptions;
  /** What goes to the log of who was refused, so that nobody can fill it. */
  readonly #logged: FailedTries;
  #certificate: ServerCertificate | undefined;
  #stopListening: () => void = () => undefined;

  private constructor(options: RemoteServerOptions, identity: TlsIdentity) {
    const { limits = {}, remote, clock } = options;
    this.#options = options;
    this.#logged = new FailedTries(clock);
    this.connections = new Connections({ ...DEFAULT_LIMITS, ...limits });
    this.server = createServer(
      {
        ...tlsOptions(identity, remote),
        handshakeTimeout: limits.handshakeMs ?? HANDSHAKE_MS,
        headersTimeout: limits.headersMs ?? HEADERS_MS,
        connectionsCheckingInterval: Math.min(1000, limits.headersMs ?? HEADERS_MS),
        // What agents send takes as long as it takes; who is asked for a body of JSON has a limit of its own.
        requestTimeout: 0,
        keepAliveTimeout: KEEP_ALIVE_MS,
        maxHeaderSize: MAX_HEADER_BYTES,
      },
      (request, response) => void this.#answer(request, response),
    );
    this.ended = new Promise((resolve) => {
      this.server.once('close', resolve);
    });
    this.server.on('connection', (socket) => {
      if (socket instanceof Socket) this.connections.opened(socket);
    });
    this.server.on('clientError', (_error, socket) => {
      refuseConnection(socket);
    });
    this.server.on('tlsClientError', (_error, socket) => {
      socket.destroy();
    });
    this.#stopListening = remote.access.onRevoked(() => {
      // Who takes access from himself is answered first.
      setImmediate(() => {
        this.connections.closeRevoked();
      });
    });
  }

  /**
   * Resolves when it answers.
   * @throws {UmbraError} LISTEN_FAILED, STORE_FAILED
   */
  static async start(options: RemoteServerOptions): Promise<RemoteServer> {
    const { store, listen, names, remote, clock, log } = options;
    const made: { server?: RemoteServer } = {};
    let first: TlsIdentity | undefined;
    const certificate = await ServerCertificate.open(
      {
        directory: tlsDirectory(store),
        files: remote.files,
        authority: remote.authority,
        names: () => serverNames(listen.host, names),
        clock,
        log,
      },
      (identity) => {
        first ??= identity;
        made.server?.server.setSecureContext(tlsOptions(identity, remote));
      },
    );
    if (first === undefined) throw new UmbraError('INTERNAL', 'there is no server certificate');
    const server = new RemoteServer(options, first);
    made.server = server;
    server.#certificate = certificate;
    try {
      await server.#listen();
    } catch (error) {
      await server.close();
      throw error;
    }
    log.info('listening', { address: server.address, authority: remote.authority.fingerprint });
    return server;
  }

  /** Where it listens: `0.0.0.0:7443`. */
  get address(): string {
    const { address, port } = this.server.address() as AddressInfo;
    return formatHostAndPort({ host: address, port });
  }

  /** How others may reach it, the best first. */
  urls(): readonly string[] {
    const { listen, names } = this.#options;
    const { port } = this.server.address() as AddressInfo;
    return reachableNames(listen.host, names).map((host) => serverUrl({ host, port }));
  }

  /** No new connections; those there end when they are done. Idempotent. */
  async close(): Promise<void> {
    this.#stopListening();
    this.server.close();
    this.server.closeIdleConnections();
    await this.#certificate?.close();
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options.listen;
    return new Promise((resolve, reject) => {
      this.server.once('error', (cause) => {
        const where = formatHostAndPort({ host, port });
        reject(
          new UmbraError('LISTEN_FAILED', `cannot listen at ${where}: ${messageOf(cause)}`, {
            hint: 'Give an address of this machine, and a port that no other program has, with --listen.',
            cause,
          }),
        );
      });
      this.server.listen({ host, port }, () => {
        this.server.removeAllListeners('error');
        resolve();
      });
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#options.handler(request, response, () => {
      try {
        return this.#identify(request, response);
      } catch (error) {
        this.#logRefusal(request, error);
        response.setHeader('connection', 'close');
        throw error;
      }
    });
  }

  #identify(request: IncomingMessage, response: ServerResponse): Identified | undefined {
    const { remote, clock } = this.#options;
    const identity = identifyRemote(request, remote, clock);
    // A stranger's connection is for one request.
    if (identity === undefined) response.setHeader('connection', 'close');
    else this.connections.identified(request.socket, identity.holds);
    return identity;
  }

  #logRefusal(request: IncomingMessage, error: unknown): void {
    const address = request.socket.remoteAddress ?? '';
    if (this.#logged.waitMs(addressKey(address)) > 0) return;
    this.#logged.failed(addressKey(address));
    this.#options.log.warn('refused', { address, error: messageOf(error) });
  }
}

function tlsOptions(identity: TlsIdentity, { authority }: RemoteAccess): TlsSettings {
  return { ...identity, ca: authority.pem, minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: false };
}

interface TlsSettings extends TlsIdentity {
  readonly ca: string;
  readonly minVersion: 'TLSv1.3';
  readonly requestCert: true;
  /** Who shows no certificate may show a token; all else is refused by name, before anything is read of the body. */
  readonly rejectUnauthorized: false;
}
