import { sameBytes } from '../codec/digest.js';

/** Half of them go when there are so many: what a host sent last counts. About 7 MB for each host. */
const MOST_EACH = 100_000;
const MOST_HOSTS = 64;
/** Of a digest; enough to tell any two apart. */
const KEY_BYTES = 16;

/**
 * Which chunks a host has sent, as far as this process remembers. Only of these, and of those in its machines' shadow copies,
 * it is told that the store has them: what others have stored must not show. What is forgotten is sent again.
 */
export class HostChunks {
  readonly #hosts = new Map<string, Generations>();

  of(host: string): Generations {
    const known = this.#hosts.get(host) ?? new Generations();
    // The one asked for last goes last.
    this.#hosts.delete(host);
    this.#hosts.set(host, known);
    const [oldest] = this.#hosts.keys();
    if (this.#hosts.size > MOST_HOSTS && oldest !== undefined) this.#hosts.delete(oldest);
    return known;
  }
}

/** A set that forgets the oldest half when it is full. */
export class Generations {
  #young = new Set<string>();
  #old = new Set<string>();

  has(digest: Uint8Array): boolean {
    const key = keyOf(digest);
    return this.#young.has(key) || this.#old.has(key);
  }

  add(digest: Uint8Array): void {
    this.#young.add(keyOf(digest));
    if (this.#young.size < MOST_EACH / 2) return;
    this.#old = this.#young;
    this.#young = new Set();
  }
}

/** True if `digest` is among `digests`. */
export function includesDigest(digests: readonly { readonly digest: Uint8Array }[], digest: Uint8Array): boolean {
  return digests.some((other) => sameBytes(other.digest, digest));
}

function keyOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, KEY_BYTES).toString('latin1');
}
