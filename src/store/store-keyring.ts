import type { Clock } from '../common/clock.js';
import { messageOf, systemCode, UmbraError } from '../common/errors.js';
import type { Argon2idCost } from '../keys/argon2id.js';
import { addSlot, assertSlot, openKeyring, removeSlot, type Keyring } from '../keys/keyring.js';
import type { Secret } from '../keys/secret.js';
import type { Slot } from '../keys/slot.js';
import type { KeyInfo } from '../protocol/keys-api.js';
import type { FormatRecord } from './format-record.js';
import { readKeyring, writeKeyring } from './keyring-files.js';
import type { Unlocked } from './unlock.js';

/** What a new key is made of. */
export interface NewKey {
  readonly secret: Secret;
  readonly label?: string | undefined;
  readonly cost?: Argon2idCost | undefined;
}

/**
 * The keys of an encrypted store that is open. Changing them writes the keyring and no data: all of them wrap one master key.
 * At any moment the old keys hold, or the new ones, also where the power goes. One change comes after the other.
 */
export class StoreKeyring {
  readonly #directory: string;
  readonly #format: FormatRecord;
  readonly #unlocked: Unlocked;
  readonly #clock: Clock;
  /** The slot that the store would be opened with. */
  #used: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(directory: string, format: FormatRecord, unlocked: Unlocked, clock: Clock) {
    this.#directory = directory;
    this.#format = format;
    this.#unlocked = unlocked;
    this.#used = unlocked.slot;
    this.#clock = clock;
  }

  /** @throws {UmbraError} KEY_LOST, KEY_DAMAGED, STORE_FAILED */
  async list(): Promise<KeyInfo[]> {
    return (await this.#read()).slots.map((slot) =>
      'isDamaged' in slot ? { id: slot.id, kind: 'damaged', isUsed: false } : this.#info(slot),
    );
  }

  /** Let another secret open the store. @throws {UmbraError} BAD_ARGUMENT, STORE_FULL, STORE_FAILED */
  add(key: NewKey): Promise<KeyInfo> {
    return this.#inOrder(async () => {
      const { keyring, slot } = await this.#added(await this.#read(), key);
      await this.#write(keyring);
      return this.#info(slot);
    });
  }

  /** A secret no longer opens the store. @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT for the last one, STORE_FULL, STORE_FAILED */
  remove(id: string): Promise<void> {
    return this.#inOrder(async () => {
      await this.#write(removeSlot(await this.#read(), id));
    });
  }

  /**
   * Put a new secret in the place of one, in one step.
   * @param id the key that the store was opened with, without it
   * @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT, STORE_FULL, STORE_FAILED
   */
  change(key: NewKey, id = this.#used): Promise<KeyInfo> {
    return this.#inOrder(async () => {
      const before = await this.#read();
      assertSlot(before, id);
      const { keyring, slot } = await this.#added(
        { ...before, slots: before.slots.filter((old) => old.id !== id) },
        key,
      );
      await this.#write(keyring);
      if (id === this.#used) this.#used = slot.id;
      return this.#info(slot);
    });
  }

  /** What a new slot wraps is what it opens: nobody is locked out by a defect of memory. */
  async #added(keyring: Keyring, { secret, label, cost }: NewKey): Promise<{ keyring: Keyring; slot: Slot }> {
    const { payload } = this.#unlocked;
    const added = await addSlot(keyring, payload, { secret, label, cost, nowMs: this.#clock.now() });
    const opened = await openKeyring({ ...added.keyring, slots: [added.slot] }, secret);
    if (opened.payload.equals(payload)) return added;
    throw new UmbraError('INTERNAL', 'a new key does not open what it was made for; nothing was changed');
  }

  async #read(): Promise<Keyring> {
    return (await readKeyring(this.#directory, this.#format.id)).keyring;
  }

  async #write(keyring: Keyring): Promise<void> {
    try {
      await writeKeyring(this.#directory, keyring);
    } catch (cause) {
      const code = systemCode(cause) === 'ENOSPC' ? 'STORE_FULL' : 'STORE_FAILED';
      throw new UmbraError(code, `the keys of the store cannot be written: ${messageOf(cause)}`, {
        hint: 'The keys from before hold, unless "umbra key show" says otherwise.',
        cause,
      });
    }
  }

  #inOrder<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#last.then(task);
    this.#last = run.catch(() => undefined);
    return run;
  }

  #info({ id, kind, label, createdMs }: Slot): KeyInfo {
    return {
      id,
      kind,
      ...(label === undefined ? {} : { label }),
      createdMs,
      isUsed: id === this.#used,
    };
  }
}
