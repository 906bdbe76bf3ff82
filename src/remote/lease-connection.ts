import { toHex } from '../codec/digest.js';
import type { Clock } from '../common/clock.js';
import type { UmbraError } from '../common/errors.js';
import { encodeFrame, readFrames } from '../protocol/frames.js';
import { LEASE_ALIVE_MS, LEASE_SILENCE_MS, type LeaseFrame } from '../protocol/objects-api.js';
import { fromWireError, isWireError } from '../protocol/wire-error.js';
import type { Listing } from '../store/catalog.js';
import { errorOf } from '../transport/answer.js';
import type { StreamedRequest } from '../transport/https-transport.js';
import type { ServerLink } from './object-client.js';
import { brokenOff } from './patience.js';

/** A lease that a client wants. */
export interface Wanted {
  readonly lease: number;
  readonly listing: Listing;
  readonly holder: string | undefined;
}

interface Asked {
  readonly answer: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A connection to the server that holds leases for as long as it is open. */
export class LeaseConnection {
  readonly session: string;
  /** Resolves when it is over, whoever ended it. */
  readonly ended: Promise<void>;
  readonly #stream: StreamedRequest;
  readonly #clock: Clock;
  readonly #asked = new Map<number, Asked>();
  #stopAlive = (): void => undefined;
  #stopSilence = (): void => undefined;

  /** @throws {UmbraError} SERVER_UNREACHABLE, and what the server refuses it with */
  static async open(link: ServerLink, clock: Clock): Promise<LeaseConnection> {
    const stream = await link.stream({ method: 'POST', path: '/v1/objects/lease' });
    if (stream.response.statusCode !== 200) throw await errorOf(stream.response);
    // What ends it shows in its frames.
    stream.request.on('error', () => undefined);
    const frames = readFrames(stream.response);
    const first = await frames.next().catch(() => undefined);
    const session = first?.done === false ? first.value.header['session'] : undefined;
    if (typeof session !== 'string') {
      stream.request.destroy();
      throw brokenOff();
    }
    return new LeaseConnection(stream, clock, session, frames);
  }

  private constructor(
    stream: StreamedRequest,
    clock: Clock,
    session: string,
    frames: AsyncIterable<{ readonly header: Readonly<Record<string, unknown>> }>,
  ) {
    this.session = session;
    this.#stream = stream;
    this.#clock = clock;
    this.#sayAlive();
    this.ended = this.#listen(frames);
  }

  /** Resolves when the server has given the lease; one that it was asked for already is not asked for again. @throws {UmbraError} */
  take({ lease, listing, holder }: Wanted): Promise<void> {
    const before = this.#asked.get(lease);
    if (before !== undefined) return before.answer;
    const asked = question();
    this.#asked.set(lease, asked);
    const { machine, name, record } = listing;
    const named = { machine, shadowCopy: name, record: toHex(record) };
    this.#send({ t: 'take', lease, ...named, ...(holder === undefined ? {} : { holder }) });
    return asked.answer;
  }

  drop(lease: number): void {
    if (this.#asked.delete(lease)) this.#send({ t: 'drop', lease });
  }

  /** Idempotent. */
  close(): void {
    this.#stopAlive();
    this.#stopSilence();
    this.#stream.request.destroy();
  }

  #send(frame: LeaseFrame): void {
    this.#stream.request.write(encodeFrame(frame)[0]);
  }

  async #listen(frames: AsyncIterable<{ readonly header: Readonly<Record<string, unknown>> }>): Promise<void> {
    let end = brokenOff();
    try {
      this.#watch();
      for await (const { header } of frames) {
        this.#watch();
        const { error } = header;
        if (header['t'] === 'error' && isWireError(error)) end = fromWireError(error);
        this.#hear(header['lease'], isWireError(error) ? fromWireError(error) : undefined);
      }
    } catch {
      // It is over, which says enough.
    }
    this.close();
    for (const { reject } of this.#asked.values()) reject(end);
  }

  #hear(lease: unknown, error: UmbraError | undefined): void {
    const asked = typeof lease === 'number' ? this.#asked.get(lease) : undefined;
    if (error === undefined) asked?.resolve();
    else asked?.reject(error);
  }

  #sayAlive(): void {
    this.#stopAlive = this.#clock.after(LEASE_ALIVE_MS, () => {
      this.#send({ t: 'alive' });
      this.#sayAlive();
    });
  }

  /** A server that is gone without a word is noticed by its silence. */
  #watch(): void {
    this.#stopSilence();
    this.#stopSilence = this.#clock.after(LEASE_SILENCE_MS, () => {
      this.close();
    });
  }
}

function question(): Asked {
  let resolve = (): void => undefined;
  let reject = (_error: Error): void => undefined;
  const answer = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Who asked is told; one that is asked for again after a lost connection has nobody who waits.
  answer.catch(() => undefined);
  return { answer, resolve, reject };
}
