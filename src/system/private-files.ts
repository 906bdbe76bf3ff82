import { readFile } from 'node:fs/promises';
import { messageOf, systemCode, UmbraError } from '../common/errors.js';
import { writeDurably } from './durable-file.js';

/** Small files of text that only their owner may read. */
export interface PrivateFiles {
  /** @returns undefined if there is none. @throws {UmbraError} STORE_FAILED; STORE_DAMAGED for one that is there and can't be opened */
  readonly read: (file: string) => Promise<string | undefined>;
  /** It is whole or as it was before, whenever the power goes. @throws {UmbraError} STORE_FAILED */
  readonly write: (file: string, text: string) => Promise<void>;
}

/** Files as they are. */
export const plainFiles: PrivateFiles = {
  read: async (file) => {
    try {
      return await readFile(file, 'utf8');
    } catch (cause) {
      if (systemCode(cause) === 'ENOENT') return undefined;
      throw new UmbraError('STORE_FAILED', `${file} cannot be read: ${messageOf(cause)}`, { cause });
    }
  },
  write: async (file, text) => {
    try {
      await writeDurably(file, text);
    } catch (cause) {
      throw new UmbraError('STORE_FAILED', `${file} cannot be written: ${messageOf(cause)}`, { cause });
    }
  },
};
