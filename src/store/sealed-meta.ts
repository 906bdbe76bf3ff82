import { randomBytes } from 'node:crypto';

import { keyedHash, openAead, sealAead, TAG_BYTES, type CipherName } from '../codec/aead.js';
import { sameBytes } from '../codec/digest.js';
import { MetaPrefix, ObjectType } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import { withCheck, withoutCheck } from './checked.js';
import type { KvOperation, KvRange, KvStore } from './kv.js';

/** What sealing `meta` takes. */
export interface MetaKeys {
  readonly cipher: CipherName;
  /** 32 bytes, for values. */
  readonly values: Uint8Array;
  /** 32 bytes, for the names of objects; as in {@link FrameKeys}. */
  readonly names: Uint8Array;
}

/**
 * How entries of a prefix are kept, by what their keys tell.
 * - `numbered`: the key is a number or nothing; it stays, and the value is sealed.
 * - `named`: the key is the keyed hash of what it was, which stands in the sealed value: listings, replicas, machines that are planned for.
 * - `grouped`: likewise of all but a number of 8 bytes at its end, which stays: what belongs to one machine can be listed, in order.
 * - `digest`: likewise, behind the object's type, so that the objects of a type can be listed.
 * - `lookup`: the key is the keyed name of an object; the value says where it is, which everybody may know who has the disk,
 *   since it has that name there. Nothing is sealed, since collection looks up every object of every tree.
 */
type Rule = 'numbered' | 'named' | 'grouped' | 'digest' | 'lookup';

const LOOKED_UP: ReadonlySet<number | undefined> = new Set([ObjectType.chunk, ObjectType.leaf, ObjectType.inner]);
const EMPTY = Buffer.alloc(0);
/** The number at the end of a key that is `grouped`. */
const NUMBER_BYTES = 8;

function ruleOf(key: Uint8Array): Rule {
  switch (key[0]) {
    case MetaPrefix.digest:
      return LOOKED_UP.has(key[1]) ? 'lookup' : 'digest';
    case MetaPrefix.quarantine:
      return 'digest';
    case MetaPrefix.catalog:
    case MetaPrefix.replica:
    case MetaPrefix.planned:
      return 'named';
    case MetaPrefix.change:
      return 'grouped';
    default:
      return 'numbered';
  }
}

/**
 * `inner`, a `meta`, with names that only who has the keys can tell, and sealed values. What was changed or is damaged comes out as
 * an empty value, which no check holds for.
 */
export function sealMeta(inner: KvStore, keys: MetaKeys): KvStore {
  return new SealedMeta(inner, keys);
}

class SealedMeta implements KvStore {
  readonly #inner: KvStore;
  readonly #keys: MetaKeys;
  readonly #boxes: Boxes;
  readonly tables?: NonNullable<KvStore['tables']>;

  constructor(inner: KvStore, keys: MetaKeys) {
    this.#inner = inner;
    this.#keys = keys;
    this.#boxes = new Boxes(keys);
    if (inner.tables !== undefined) this.tables = inner.tables.bind(inner);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const stored = this.#storedKey(key);
    return this.#value(key, stored, await this.#inner.get(stored));
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const stored = keys.map((key) => this.#storedKey(key));
    const values = await this.#inner.getMany(stored);
    return keys.map((key, index) => this.#value(key, stored[index] ?? EMPTY, values[index]));
  }

  async *entries(range: KvRange = {}): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]> {
    refuseNames(range);
    const inner = this.#storedRange(range);
    for await (const [stored, value] of this.#inner.entries(inner)) yield this.#entry(stored, value);
  }

  async *keys(range: KvRange = {}): AsyncIterable<Uint8Array> {
    refuseNames(range);
    if (isNumbered(range)) yield* this.#inner.keys(range);
    else for await (const [key] of this.entries(range)) yield key;
  }

  async write(operations: readonly KvOperation[], options: { readonly sync: boolean }): Promise<void> {
    await this.#inner.write(
      operations.map((operation): KvOperation => {
        const key = this.#storedKey(operation.key);
        return operation.type === 'del' ? { type: 'del', key } : this.#put(operation.key, key, operation.value);
      }),
      options,
    );
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  compact(start: Uint8Array, end: Uint8Array): Promise<void> {
    return this.#inner.compact(start, end);
  }

  diskBytes(): Promise<number> {
    return this.#inner.diskBytes();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #storedKey(key: Uint8Array): Uint8Array {
    const rule = ruleOf(key);
    if (rule === 'numbered') return key;
    if (rule === 'grouped') {
      return Buffer.concat([
        key.subarray(0, 1),
        keyedHash(this.#keys.names, groupOf(key)),
        key.subarray(-NUMBER_BYTES),
      ]);
    }
    const shown = rule === 'named' ? 1 : 2;
    // Of an object it is the name that its frame has, too.
    const hidden = rule === 'named' ? key : key.subarray(1);
    return Buffer.concat([key.subarray(0, shown), keyedHash(this.#keys.names, hidden)]);
  }

  /** The bounds of a range that lies in one group; all others stay. */
  #storedRange(range: KvRange): KvRange {
    const stored = (bound: Uint8Array | undefined): Uint8Array | undefined =>
      bound !== undefined && ruleOf(bound) === 'grouped' && bound.length > 2 ? this.#storedKey(bound) : bound;
    const bounds = Object.entries({
      gte: stored(range.gte),
      gt: stored(range.gt),
      lt: stored(range.lt),
      lte: stored(range.lte),
    });
    return { ...range, ...Object.fromEntries(bounds.filter(([, bound]) => bound !== undefined)) };
  }

  #put(key: Uint8Array, stored: Uint8Array, value: Uint8Array): KvOperation {
    const rule = ruleOf(key);
    if (rule === 'lookup') {
      // The check is over the key: that of the plain one would tell whether a digest that somebody knows is the right one.
      const content = withoutCheck(key, value);
      if (content === undefined) throw new UmbraError('INTERNAL', 'an index entry without its check is written');
      return { type: 'put', key: stored, value: withCheck(stored, content) };
    }
    const plain = rule === 'numbered' ? value : Buffer.concat([Buffer.of(key.length), key, value]);
    return { type: 'put', key: stored, value: this.#boxes.seal(stored, plain) };
  }

  #value(key: Uint8Array, stored: Uint8Array, value: Uint8Array | undefined): Uint8Array | undefined {
    if (value === undefined) return undefined;
    const rule = ruleOf(key);
    if (rule === 'lookup') {
      const content = withoutCheck(stored, value);
      return content === undefined ? EMPTY : withCheck(key, content);
    }
    const plain = this.#boxes.open(stored, value);
    if (plain === undefined) return EMPTY;
    return rule === 'numbered' ? plain : plain.subarray(1 + (plain[0] ?? 0));
  }

  #entry(stored: Uint8Array, value: Uint8Array): readonly [key: Uint8Array, value: Uint8Array] {
    const rule = ruleOf(stored);
    if (rule === 'lookup') throw new UmbraError('INTERNAL', 'the digests of all objects cannot be listed');
    const plain = this.#boxes.open(stored, value);
    if (plain === undefined) return [stored, EMPTY];
    if (rule === 'numbered') return [stored, plain];
    const end = 1 + (plain[0] ?? 0);
    return [plain.subarray(1, end), plain.subarray(end)];
  }
}

/** Names have no order that anybody could ask for: only all entries of a prefix, of an object type, or of one group can be walked. */
function refuseNames({ gte, gt, lt, lte }: KvRange): void {
  const bounds = [gte, gt, lt, lte].filter((bound) => bound !== undefined);
  if (bounds.every((bound) => ruleOf(bound) === 'numbered' || bound.length <= 2)) return;
  if (bounds.length === 2 && isOneGroup(bounds)) return;
  throw new UmbraError('INTERNAL', 'a range of names is asked for in an encrypted store');
}

function isOneGroup([first, second]: readonly Uint8Array[]): boolean {
  if (first === undefined || second === undefined) return false;
  return [first, second].every((bound) => ruleOf(bound) === 'grouped') && sameBytes(groupOf(first), groupOf(second));
}

function groupOf(key: Uint8Array): Uint8Array {
  return key.subarray(0, -NUMBER_BYTES);
}

function isNumbered({ gte, gt }: KvRange): boolean {
  const bound = gte ?? gt;
  return bound !== undefined && ruleOf(bound) === 'numbered';
}

const SESSION_BYTES = 16;
const COUNTER_BYTES = 8;
const HEADER_BYTES = SESSION_BYTES + COUNTER_BYTES;
/** Sessions whose keys are kept: entries of one lie side by side. */
const MAX_SESSIONS = 1024;

/**
 * Seals values: `0` session, `16` counter, `24` ciphertext, and a tag of 16 bytes. Whoever opens a store begins a session, with 16
 * random bytes; the session's key is HMAC-SHA-256(value key, session), the nonce its counter, the associated data the entry's key.
 * So no key meets a nonce twice, in whichever copy of a store.
 */
class Boxes {
  readonly #keys: MetaKeys;
  readonly #session = randomBytes(SESSION_BYTES);
  readonly #sessions = new Map<string, Buffer>();
  #counter = 0n;

  constructor(keys: MetaKeys) {
    this.#keys = keys;
  }

  seal(associated: Uint8Array, plain: Uint8Array): Buffer {
    const header = Buffer.alloc(HEADER_BYTES);
    header.set(this.#session);
    header.writeBigUInt64BE(this.#counter++, SESSION_BYTES);
    const { text, tag } = sealAead(this.#input(header, associated), plain);
    return Buffer.concat([header, text, tag]);
  }

  open(associated: Uint8Array, sealed: Uint8Array): Buffer | undefined {
    if (sealed.length < HEADER_BYTES + TAG_BYTES) return undefined;
    const end = sealed.length - TAG_BYTES;
    const header = Buffer.from(sealed.subarray(0, HEADER_BYTES));
    return openAead(this.#input(header, associated), sealed.subarray(HEADER_BYTES, end), sealed.subarray(end));
  }

  #input(header: Buffer, associated: Uint8Array): Parameters<typeof sealAead>[0] {
    const nonce = Buffer.alloc(4 + COUNTER_BYTES);
    header.copy(nonce, 4, SESSION_BYTES);
    const { cipher } = this.#keys;
    return { cipher, key: this.#sessionKey(header.subarray(0, SESSION_BYTES)), nonce, associated };
  }

  #sessionKey(session: Buffer): Buffer {
    const name = session.toString('latin1');
    const known = this.#sessions.get(name);
    if (known !== undefined) return known;
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.clear();
    const key = keyedHash(this.#keys.values, session);
    this.#sessions.set(name, key);
    return key;
  }
}
