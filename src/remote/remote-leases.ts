import { sameBytes, toHex } from '../codec/digest.js';
import { isUmbraError, messageOf, UmbraError } from '../common/errors.js';
import type { Eventually } from '../common/eventually.js';
import type { Listing } from '../store/catalog.js';
import { LeaseConnection, type Wanted } from './lease-connection.js';
import type { ServerLink } from './object-client.js';
import { brokenOff, patiently, type Patience } from './patience.js';

/** The last lease on a shadow copy stays for so long after its last use: who reads many files opens the next one soon. */
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
 * taken anew. The last one of a shadow copy stays for a moment.
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

  /**
   * At once if it is held already, or the shadow copy is kept by another one meanwhile.
   * @throws {UmbraError} NOT_FOUND when the shadow copy was deleted, SERVER_UNREACHABLE
   */
  take(listing: Listing, holder?: string): Eventually<() => void> {
    const key = `${toHex(listing.record)} ${holder ?? ''}`;
    const known = this.#held.get(key);
    // Who has one that is broken keeps what he has.
    const held = known !== undefined && known.broken === undefined ? known : this.#want(key, listing, holder);
    held.users++;
    held.cancelDrop();
    let isGiven = false;
    const giveBack = (): void => {
      if (!isGiven) this.#release(key, held);
      isGiven = true;
    };
    // The server hears of the one that is dropped after it has heard of this one.
    if (held.isReady || this.#isKept(held)) return giveBack;
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
        this.#dropUnused(held);
      },
      (error: unknown) => {
        held.broken = isUmbraError(error) ? error : brokenOff(messageOf(error));
      },
    );
    return held;
  }

  /** True if another lease keeps the same shadow copy just so. */
  #isKept(held: Held): boolean {
    const { listing, holder } = held;
    for (const other of this.#held.values()) {
      const isSame = sameBytes(other.listing.record, listing.record);
      const keeps = holder === undefined || other.holder !== undefined;
      if (other !== held && isSame && keeps && other.isReady && other.broken === undefined) return true;
    }
    return false;
  }

  /** What was kept for a moment need not be any more, and would be the wrong reason for who wants to delete the shadow copy. */
  #dropUnused({ listing, holder }: Held): void {
    for (const [key, other] of this.#held) {
      if (other.users > 0 || !sameBytes(other.listing.record, listing.record)) continue;
      if (holder === undefined && other.holder !== undefined) continue;
      other.cancelDrop();
      this.#drop(key, other);
    }
  }

  #drop(key: string, held: Held): void {
    if (this.#held.get(key) === held) this.#held.delete(key);
    void this.#connection?.then(
      (connection) => {
        connection.drop(held.lease);
      },
      () => undefined,
    );
  }

  async #ask(held: Held): Promise<void> {
    await patiently(async () => {
      await (await this.#connected()).take(held);
    }, this.#patience);
  }

  #release(key: string, held: Held): void {
    if (--held.users > 0) return;
    if (!held.isReady || held.broken !== undefined || this.#isKept(held)) {
      this.#drop(key, held);
      return;
    }
    held.cancelDrop = this.#patience.clock.after(LINGER_MS, () => {
      this.#drop(key, held);
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
