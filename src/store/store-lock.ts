import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

import { messageOf, systemCode, UmbraError } from '../common/errors.js';
import { tryFlock } from '../system/file-locks.js';

/**
 * Take the lock of a store: a file lock, so that it goes when the process dies, in a file that holds the
 * process's number for the message to whoever comes second.
 *
 * @returns gives the lock back
 * @throws {UmbraError} STORE_IN_USE, STORE_FAILED
 */
export async function lockStore(directory: string): Promise<() => Promise<void>> {
  const handle = await openLockFile(directory);
  try {
    if (!tryFlock(handle.fd, 'exclusive')) throw await inUse(directory, handle);
    await leaveNumber(handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
  return () => handle.close();
}

/** For the message to whoever comes second; on a full disk everything else works without it. */
async function leaveNumber(handle: FileHandle): Promise<void> {
  try {
    await handle.truncate(0);
    await handle.write(`${process.pid}\n`, 0);
  } catch (error) {
    if (systemCode(error) !== 'ENOSPC') throw error;
  }
}

async function openLockFile(directory: string): Promise<FileHandle> {
  try {
    return await open(path.join(directory, 'lock'), 'a+', 0o600);
  } catch (cause) {
    throw new UmbraError('STORE_FAILED', `the store ${directory} cannot be locked: ${messageOf(cause)}`, { cause });
  }
}

async function inUse(directory: string, handle: FileHandle): Promise<UmbraError> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(32), 0, 32, 0);
  const pid = buffer.toString('latin1', 0, bytesRead).trim();
  const holder = /^\d+$/.test(pid) ? `process ${pid}` : 'another process';
  return new UmbraError('STORE_IN_USE', `the store ${directory} is in use by ${holder}`, {
    hint: 'If that is an Umbra server, "umbra stop" ends it.',
  });
}
