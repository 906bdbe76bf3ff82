import type { Clock } from '../common/clock.js';
import { UmbraError } from '../common/errors.js';
import type { Eventually } from '../common/eventually.js';
import { isMachineName, isShadowCopyName } from '../common/names.js';
import type { Share } from '../common/share-names.js';
import { DIGEST_BYTES } from '../codec/formats.js';
import type { ListedShadowCopy } from '../protocol/objects-api.js';
import { Catalog, type Listing } from '../store/catalog.js';
import type { ReadableStore } from '../store/readable-store.js';
import { parseShadowCopyRecord, type ShadowCopyRecord } from '../store/records.js';
import { ObjectClient, type ServerLink } from './object-client.js';
import { OUTAGE_LIMIT_MS, patiently, type Patience } from './patience.js';
import { RemoteLeases } from './remote-leases.js';
import { RemoteReader } from './remote-reader.js';

/** What is known of which shadow copies there are is believed for so long. */
const FRESH_MS = 1_000;

export interface RemoteStoreOptions {
  readonly link: ServerLink;
  readonly clock: Clock;
  /** Aborted when nobody waits for answers any more. */
  readonly signal: AbortSignal;
  /** How long the server may be gone. */
  readonly outageLimitMs?: number;
}

/** The shadow copies of a server elsewhere, as far as the caller may read them. */
export class RemoteStore implements ReadableStore {
  readonly leases: RemoteLeases;
  readonly reader: RemoteReader;
  readonly #client: ObjectClient;
  readonly #patience: Patience;
  #known: { readonly tag: string; readonly catalog: Catalog; readonly shares: readonly Share[] };
  #freshUntilMs = 0;
  #refreshing: Promise<void> | undefined;

  /** @throws {UmbraError} SERVER_UNREACHABLE, at once when it is; UNAUTHENTICATED, FORBIDDEN, SERVER_UNKNOWN */
  static async open(options: RemoteStoreOptions): Promise<RemoteStore> {
    const store = new RemoteStore(options);
    await store.#refresh();
    return store;
  }

  private constructor({ link, clock, signal, outageLimitMs = OUTAGE_LIMIT_MS }: RemoteStoreOptions) {
    this.#patience = { clock, signal, outageLimitMs };
    this.#client = new ObjectClient(link, clock);
    this.leases = new RemoteLeases(link, this.#patience);
    this.reader = new RemoteReader({ client: this.#client, leases: this.leases, patience: this.#patience });
    this.#known = { tag: '', catalog: Catalog.of([]), shares: [] };
  }

  /** As it was when it was last asked for. */
  get catalog(): Catalog {
    return this.#known.catalog;
  }

  get shares(): readonly Share[] {
    return this.#known.shares;
  }

  /** Ask which shadow copies there are, unless that is known for a moment. @throws {UmbraError} SERVER_UNREACHABLE */
  fresh(): Eventually<void> {
    if (this.#patience.clock.monotonic() < this.#freshUntilMs) return;
    this.#refreshing ??= patiently(() => this.#refresh(), this.#patience).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async record(listing: Listing): Promise<ShadowCopyRecord> {
    return parseShadowCopyRecord(await patiently(() => this.#client.record(listing), this.#patience));
  }

  /** Gives all leases back. Idempotent. */
  close(): void {
    this.leases.close();
  }

  async #refresh(): Promise<void> {
    const { catalog: before, tag: known } = this.#known;
    const { tag, shadowCopies, replicas = [], shares = [] } = await this.#client.list(known === '' ? undefined : known);
    if (shadowCopies !== undefined) {
      const listings = [...shadowCopies.map(listingOf), ...replicas.map(replicaOf)];
      this.#known = { tag, catalog: Catalog.of(listings, before), shares };
    }
    this.#freshUntilMs = this.#patience.clock.monotonic() + FRESH_MS;
  }
}

function replicaOf(listed: ListedShadowCopy): Listing {
  return { ...listingOf(listed), isReplica: true };
}

/** Names become those of files. @throws {UmbraError} SERVER_UNREACHABLE */
function listingOf({ machine, shadowCopy: name, timeMs, record: hex, order }: ListedShadowCopy): Listing {
  const record = Buffer.from(hex, 'hex');
  if (isMachineName(machine) && isShadowCopyName(name) && record.length === DIGEST_BYTES) {
    return { machine, name, timeMs, record, order };
  }
  throw new UmbraError('SERVER_UNREACHABLE', 'the server lists something that is no shadow copy');
}
