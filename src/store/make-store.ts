import path from 'node:path';

import type { Clock } from '../common/clock.js';
import { isUmbraError, messageOf, systemCode, UmbraError } from '../common/errors.js';
import { storeExists } from '../common/store-exists.js';
import { makeDirectories } from '../system/make-directory.js';
import { syncDirectory } from '../system/sync-directory.js';
import { newFormatRecord, readFormatFile, writeFormatFile, type CreateOptions } from './format-record.js';
import { writeKeyring } from './keyring-files.js';
import { newKeyring } from './unlock.js';

export interface MakeOptions {
  /** Absolute. */
  readonly directory: string;
  readonly clock: Clock;
  /** Make a store if there is none; `mustBeNew` refuses one that is there. */
  readonly create?: CreateOptions & { readonly mustBeNew: boolean };
}

/**
 * True if there is a store, false if there is none and one is to be made.
 * @throws {UmbraError} STORE_NOT_FOUND, STORE_EXISTS, STORE_FOREIGN, STORE_NEWER, STORE_FAILED
 */
export async function isThere({ directory, create }: MakeOptions): Promise<boolean> {
  const found = await hasFormatFile(directory);
  if (found && create?.mustBeNew === true) {
    throw storeExists(directory);
  }
  if (!found && create === undefined) {
    throw new UmbraError('STORE_NOT_FOUND', `there is no store at ${directory}`, {
      hint: '"umbra backup" and "umbra init" make one; or give the right place with --store DIR.',
    });
  }
  return found;
}

/** True for a store, also for one whose format file is lost. */
async function hasFormatFile(directory: string): Promise<boolean> {
  try {
    return (await readFormatFile(directory)) !== undefined;
  } catch (error) {
    if (isUmbraError(error, 'STORE_DAMAGED')) return true;
    throw error;
  }
}

/** Write the format file if there is no store: under the lock, so that of two processes one makes it. */
export async function makeFormatFile(options: MakeOptions): Promise<void> {
  const { directory, create, clock } = options;
  if ((await isThere(options)) || create === undefined) return;
  const format = newFormatRecord(create, clock.now());
  const { encryption } = create;
  const keyring = encryption && (await newKeyring(format, encryption, clock.now()));
  await creating(directory, async () => {
    // Before the format file: there is never an encrypted store without keys.
    if (keyring !== undefined) await writeKeyring(directory, keyring);
    await writeFormatFile(directory, format);
  });
}

export async function makeDirectory(directory: string): Promise<void> {
  await creating(directory, async () => {
    for (const made of await makeDirectories(directory)) await syncDirectory(path.dirname(made));
  });
}

async function creating(directory: string, task: () => Promise<void>): Promise<void> {
  try {
    await task();
  } catch (cause) {
    if (systemCode(cause) === 'ENOSPC') throw noRoom(directory, cause);
    throw new UmbraError('STORE_FAILED', `cannot make a store at ${directory}: ${messageOf(cause)}`, { cause });
  }
}

function noRoom(directory: string, cause: unknown): UmbraError {
  return new UmbraError('STORE_FULL', `cannot make a store at ${directory}: the disk is full`, {
    hint: 'Make room on that disk, or give another place with --store DIR.',
    cause,
  });
}
