import { readFile } from 'node:fs/promises';
import { messageOf, systemCode, UmbraError } from '../common/errors.js';
import { writeDurably } from '../system/durable-file.js';
import { decodeAccess, encodeAccess, NOBODY, type AccessState } from './access-state.js';

/** The state of a store's access, changed one after the other and durable before anybody sees it changed. */
export class AccessStore {
  readonly #file: string;
  #state: AccessState;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(file: string, state: AccessState) {
    this.#file = file;
    this.#state = state;
  }

  /** @throws {UmbraError} STORE_DAMAGED, STORE_FAILED: a file that can't be read lets nobody in */
  static async open(file: string): Promise<AccessStore> {
    return new AccessStore(file, await read(file));
  }

  get state(): AccessState {
    return this.#state;
  }

  /**
   * @param change gives the state that follows, and what to say of it; when it throws, nothing changes
   * @throws {UmbraError} STORE_FAILED when it could not be written; nothing has changed then
   */
  change<T>(change: (state: AccessState) => readonly [next: AccessState, result: T]): Promise<T> {
    const done = this.#last.then(async () => {
      const [next, result] = change(this.#state);
      await this.#write(next);
      this.#state = next;
      return result;
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #write(state: AccessState): Promise<void> {
    try {
      await writeDurably(this.#file, encodeAccess(state));
    } catch (cause) {
      throw new UmbraError('STORE_FAILED', `${this.#file} cannot be written: ${messageOf(cause)}`, { cause });
    }
  }
}

async function read(file: string): Promise<AccessState> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return NOBODY;
    throw new UmbraError('STORE_FAILED', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  try {
    return decodeAccess(text);
  } catch (cause) {
    throw new UmbraError(
      'STORE_DAMAGED',
      `${file}, which says who may use the server, is damaged: ${messageOf(cause)}`,
      {
        hint: 'Put it back from a copy. Without one, move it away: nobody is known then, and tokens and agents are made anew.',
        cause,
      },
    );
  }
}
