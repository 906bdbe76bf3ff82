import { randomBytes } from 'node:crypto';
import { UmbraError } from '../common/errors.js';
import type { Listing } from '../store/catalog.js';
import { describeCaller, type Caller } from './caller.js';

/** More than a client's open files and volumes take: those of one shadow copy share a lease. */
const MOST_LEASES = 4096;

interface Held {
  readonly listing: Listing;
  readonly giveBack: () => void;
}

/** The leases of one client, for as long as its connection is open. */
export class ObjectSession {
  readonly id = randomBytes(16).toString('hex');
  readonly caller: Caller;
  readonly #leases = new Map<number, Held>();

  constructor(caller: Caller) {
    this.caller = caller;
  }

  get hasLeases(): boolean {
    return this.#leases.size > 0;
  }

  /**
   * @param take takes it
   * @throws {UmbraError} BAD_ARGUMENT, and what `take` throws
   */
  take(lease: number, listing: Listing, take: () => () => void): void {
    if (this.#leases.has(lease)) throw new UmbraError('BAD_ARGUMENT', `there is a lease ${lease} already`);
    if (this.#leases.size >= MOST_LEASES) throw new UmbraError('BAD_ARGUMENT', `more than ${MOST_LEASES} leases`);
    this.#leases.set(lease, { listing, giveBack: take() });
  }

  /** Nothing is done if there is none. */
  drop(lease: number): void {
    this.#leases.get(lease)?.giveBack();
    this.#leases.delete(lease);
  }

  /** @throws {UmbraError} FORBIDDEN for a lease that is not held */
  listing(lease: number): Listing {
    const held = this.#leases.get(lease);
    if (held === undefined) throw new UmbraError('FORBIDDEN', `there is no lease ${lease}`);
    return held.listing;
  }

  close(): void {
    for (const lease of [...this.#leases.keys()]) this.drop(lease);
  }
}

/** Who reads shadow copies from elsewhere. */
export class ObjectSessions {
  readonly #sessions = new Map<string, ObjectSession>();

  open(caller: Caller): ObjectSession {
    const session = new ObjectSession(caller);
    this.#sessions.set(session.id, session);
    return session;
  }

  /** @throws {UmbraError} NOT_FOUND when it has ended, or is another caller's */
  find(id: string, caller: Caller): ObjectSession {
    const session = this.#sessions.get(id);
    if (session !== undefined && describeCaller(session.caller) === describeCaller(caller)) return session;
    throw new UmbraError('NOT_FOUND', 'there is no such connection for leases, or no longer');
  }

  close(session: ObjectSession): void {
    this.#sessions.delete(session.id);
    session.close();
  }
}
