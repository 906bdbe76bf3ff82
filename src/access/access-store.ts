import { messageOf, UmbraError } from '../common/errors.js';
import { plainFiles, type PrivateFiles } from '../system/private-files.js';
import { decodeAccess, encodeAccess, NOBODY, type AccessState } from './access-state.js';

/** The state of a store's access, changed one after the other and durable before anybody sees it changed. */
export class AccessStore {
  readonly #file: string;
  readonly #files: PrivateFiles;
  #state: AccessState;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(file: string, files: PrivateFiles, state: AccessState) {
    this.#file = file;
    this.#files = files;
    this.#state = state;
  }

  /** @throws {UmbraError} STORE_DAMAGED, STORE_FAILED: a file that can't be read lets nobody in */
  static async open(file: string, files: PrivateFiles = plainFiles): Promise<AccessStore> {
    return new AccessStore(file, files, await read(file, files));
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
      await this.#files.write(this.#file, encodeAccess(next));
      this.#state = next;
      return result;
    });
    this.#last = done.catch(() => undefined);
    return done;
  }
}

async function read(file: string, files: PrivateFiles): Promise<AccessState> {
  const text = await files.read(file);
  if (text === undefined) return NOBODY;
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
