import { constants } from 'node:fs';
import { lstat, open, readFile, rename, unlink } from 'node:fs/promises';
import path from 'node:path';

import { systemCode, UmbraError } from '../common/errors.js';
import { makeDirectories } from '../system/make-directory.js';
import type { ConfigFile } from '../store/records.js';
import { targetError } from './target-error.js';
import { syncDirectory } from '../system/sync-directory.js';

/**
 * Write configuration files into `directory`, durably, each whole or not at all; those that are there with the same
 * content are left alone.
 *
 * @param directory without symbolic links; made when it is not there
 * @returns the paths of those that were written
 * @throws {UmbraError} TARGET_REFUSED, TARGET_FAILED, STORE_DAMAGED for names that would lead out of the directory
 */
export async function writeConfigFiles(directory: string, files: readonly ConfigFile[]): Promise<string[]> {
  if (files.length === 0) return [];
  const written: string[] = [];
  for (const { name } of files) assertPlainName(name);
  try {
    await assertNoLink(directory);
    await makeDirectories(directory);
    for (const { name, data } of files) {
      const file = path.join(directory, name);
      if (await hasContent(file, data)) continue;
      await replaceFile(file, data);
      written.push(file);
    }
    await syncDirectory(directory);
    await syncDirectory(path.dirname(directory));
    return written;
  } catch (error) {
    throw targetError(directory, error);
  }
}

function assertPlainName(name: string): void {
  if (name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)) return;
  throw new UmbraError('STORE_DAMAGED', `a configuration file of the shadow copy is named ${JSON.stringify(name)}`, {
    hint: 'The record of the shadow copy is not what Umbra writes; restore volumes one by one with --volume.',
  });
}

/** A link in the place of the directory could lead into a store or a mount of Umbra. */
async function assertNoLink(directory: string): Promise<void> {
  try {
    if ((await lstat(directory)).isDirectory()) return;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  throw new UmbraError('TARGET_REFUSED', `${directory} is not a directory`, { hint: 'Restore to another directory.' });
}

async function hasContent(file: string, data: Uint8Array): Promise<boolean> {
  try {
    const stats = await lstat(file);
    return stats.isFile() && stats.size === data.length && (await readFile(file)).equals(data);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function replaceFile(file: string, data: Uint8Array): Promise<void> {
  const part = path.join(path.dirname(file), '.umbra-restore');
  // What an interrupted restore may have left.
  await unlink(part).catch(() => undefined);
  const handle = await open(part, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(part, file);
}
