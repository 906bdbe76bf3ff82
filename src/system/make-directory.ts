import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../common/errors.js';

/**
 * Make a directory and those above it that are missing, for this user only. Not Node.js' own recursive mkdir: where the
 * kernel says ENOENT although the directory above is there, as in /proc, that one never ends (Node.js 20).
 * @param path absolute
 * @returns those that were made, the topmost first; none if it was there
 * @throws system errors; EEXIST or ENOTDIR where something else is in the way
 */
export async function makeDirectories(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let at = path; !(await isDirectory(at)); at = dirname(at)) missing.unshift(at);
  const made: string[] = [];
  for (const directory of missing) if (await makeOne(directory)) made.push(directory);
  return made;
}

/** @returns false if somebody else made it meanwhile */
async function makeOne(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST' && (await isDirectory(directory))) return false;
    throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
