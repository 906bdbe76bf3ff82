import { toHex } from '../codec/digest.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { Eventually } from '../common/eventually.js';
import type { Listing } from '../store/catalog.js';
import { LeaseConnection, type Wanted } from './lease-connection.js';
import type { ServerLink } from './object-client.js';
import { brokenOff, patiently, type Patience } from './patience.js';

/** A lease that nobody uses any more is kept for so long: who reads many files opens the next one soon. */
const LINGER_MS = 1_000;

interface Held extends Wanted {
  users: number;
  /** Resolves when the server has given it. */
  ready: Promise<void>;
  isReady: boolean;
  /** Why it is none any more: the shadow copy was deleted while the connection was lost. */
  broken: UmbraError | undefined;
  cancelDrop: () => void;
}

/**
 * The leases of a client, over one connection that is opened when the first is wanted, and again when it is lost: then they are
 * taken anew. Users of a shadow copy share one that keeps it from being forgotten, and one that keeps its data.
 */
export class RemoteLeases {
  readonly #link: ServerLink;
  readonly #patience: Patience;
  readonly #held = new Map<string, Held>();
  #connection: Promise<LeaseConnection> | undefined;
  #lastLease = 0;
  #isClosed = false;

  constructor(link: ServerLink, patience: Patience) {
    this.#link = link;
    this.#patience = patience;
  }

  /** At once if it is held already. @throws {UmbraError} NOT_FOUND when the shadow copy was deleted, SERVER_UNREACHABLE */
  take(listing: Listing, holder?: string): Eventually<() => void> {
    const key = `${toHex(listing.record)}${holder === undefined ? '' : '!'}`;
    const known = this.#held.get(key);
    const held =
      known?.broken === undefined ? (known ?? this.#want(key, listing, holder)) : this.#renew(key, known, holder);
    held.users++;
    held.cancelDrop();
    let isGiven = false;
    const giveBack = (): void => {
      if (!isGiven) this.#release(key, held);
      isGiven = true;
    };
    if (held.isReady) return giveBack;
    return held.ready.then(
      () => giveBack,
      (error: unknown) => {
        giveBack();
        throw error;
      },
    );
  }

  /**
   * The name of the connection that holds them.
   * @throws {UmbraError} SERVER_UNREACHABLE, and what the server refuses it with
   */
  async session(): Promise<string> {
    return (await this.#connected()).session;
  }

  /** The server doesn't know a session any more. */
  async lost(session: string): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    if (connection?.session !== session) return;
    this.#connection = undefined;
    connection.close();
  }

  /** Why something that was leased may be gone: a shadow copy that is used was deleted while the connection was lost. */
  get broken(): UmbraError | undefined {
    for (const { broken, users } of this.#held.values()) if (broken !== undefined && users > 0) return broken;
    return undefined;
  }

  close(): void {
    this.#isClosed = true;
    for (const held of this.#held.values()) held.cancelDrop();
    this.#held.clear();
    void this.#connection?.then(
      (connection) => {
        connection.close();
      },
      () => undefined,
    );
  }

  #want(key: string, listing: Listing, holder: string | undefined): Held {
    const held: Held = {
      lease: ++this.#lastLease,
      listing,
      holder,
      users: 0,
      ready: Promise.resolve(),
      isReady: false,
      broken: undefined,
      cancelDrop: () => undefined,
    };
    this.#held.set(key, held);
    held.ready = this.#ask(held);
    held.ready.then(
      () => {
        held.isReady = true;
      },
      () => {
        if (this.#held.get(key) === held) this.#held.delete(key);
      },
    );
    return held;
  }

  /** Ask again for one that is broken; who has it keeps what he has. */
  #renew(key: string, { listing }: Held, holder: string | undefined): Held {
    this.#held.delete(key);
    return this.#want(key, listing, holder);
  }

  async #ask(held: Held): Promise<void> {
    await patiently(async () => {
      await (await this.#connected()).take(held);
    }, this.#patience);
  }

  #release(key: string, held: Held): void {
    if (--held.users > 0) return;
    held.cancelDrop = this.#patience.clock.after(held.isReady ? LINGER_MS : 0, () => {
      if (held.users > 0) return;
      if (this.#held.get(key) === held) this.#held.delete(key);
      void this.#connection?.then(
        (connection) => {
          connection.drop(held.lease);
        },
        () => undefined,
      );
    });
  }

  #connected(): Promise<LeaseConnection> {
    if (this.#isClosed) return Promise.reject(brokenOff());
    if (this.#connection !== undefined) return this.#connection;
    const connecting = this.#connect();
    this.#connection = connecting;
    const forget = (): void => {
      if (this.#connection === connecting) this.#connection = undefined;
    };
    connecting.then(({ ended }) => {
      void ended.then(() => {
        forget();
        // Others may be waiting to delete what is used here.
        if (this.#held.size > 0 && !this.#isClosed)
          void patiently(() => this.#connected(), this.#patience).catch(() => undefined);
      });
    }, forget);
    return connecting;
  }

  /** Those that were held before are taken again, before anybody reads. */
  async #connect(): Promise<LeaseConnection> {
    const connection = await LeaseConnection.open(this.#link, this.#patience.clock);
    const before = [...this.#held.values()].filter(({ isReady, broken }) => isReady && broken === undefined);
    await Promise.all(
      before.map((held) =>
        connection.take(held).catch((error: unknown) => {
          if (!isUmbraError(error, 'NOT_FOUND', 'FORBIDDEN')) throw error;
          const { machine, name } = held.listing;
          const what = `${machine}@${name} is no longer to be had since the connection to the server was lost`;
          held.broken = new UmbraError(error.code, `${what}: ${error.message}`);
        }),
      ),
    );
    return connection;
  }
}
