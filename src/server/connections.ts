import type { Socket } from 'node:net';
import { addressKey } from './address-key.js';

export interface ConnectionLimits {
  /** Of everybody. */
  readonly total: number;
  /** Of those who have not shown who they are: when more come, the oldest of them goes. */
  readonly strangers: number;
  /** Of strangers from one address. */
  readonly strangersOfAddress: number;
}

export const DEFAULT_LIMITS: ConnectionLimits = { total: 2048, strangers: 256, strangersOfAddress: 64 };

interface Connection {
  readonly socket: Socket;
  readonly key: string;
  /** Undefined for a stranger. */
  holds?: () => boolean;
}

/** The connections to the HTTPS port: so many that nobody can use them up, and closed when who made them is revoked. */
export class Connections {
  readonly #limits: ConnectionLimits;
  /** By address and port of the other side, the oldest first. */
  readonly #open = new Map<string, Connection>();
  #refused = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#open.size;
  }

  /** How many were closed because there were too many. */
  get refused(): number {
    return this.#refused;
  }

  /** A connection came, before anything was read of it; one too many is closed. */
  opened(socket: Socket): void {
    const key = addressKey(socket.remoteAddress ?? '');
    const strangers = [...this.#open.values()].filter(({ holds }) => holds === undefined);
    const ofAddress = strangers.filter((connection) => connection.key === key).length;
    if (this.#open.size >= this.#limits.total || ofAddress >= this.#limits.strangersOfAddress) {
      this.#refused += 1;
      socket.destroy();
      return;
    }
    if (strangers.length >= this.#limits.strangers) {
      this.#refused += 1;
      strangers[0]?.socket.destroy();
    }
    const name = nameOf(socket);
    const connection = { socket, key };
    this.#open.set(name, connection);
    socket.once('close', () => {
      if (this.#open.get(name) === connection) this.#open.delete(name);
    });
  }

  /** Who made a connection has shown who he is. */
  identified(socket: Socket, holds: () => boolean): void {
    const connection = this.#open.get(nameOf(socket));
    if (connection !== undefined) connection.holds = holds;
  }

  /** Close the connections of everybody who is no longer let in, whatever they are doing. */
  closeRevoked(): void {
    for (const { socket, holds } of this.#open.values()) if (holds?.() === false) socket.destroy();
  }
}

/** The same for a TCP connection and for what TLS makes of it. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress ?? ''} ${remotePort ?? 0}`;
}
