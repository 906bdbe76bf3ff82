import { constants, type Dirent } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode, UmbraError } from '../../src/common/errors.js';
import { tryLockDirectory } from '../../src/system/file-locks.js';

/** A file is written under this name, and then put in its place. */
const UNFINISHED = '.new';

/**
 * Have the state directory for this agent alone, until it is given back or the process ends. Two agents of one host would take away what the other one
 * makes in machines.
 * @returns gives it back
 * @throws {UmbraError} AGENT_RUNNING
 */
export async function takeState(directory: string): Promise<() => Promise<void>> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    // Where nothing can be locked nobody is kept out, and nothing is swept.
    const isAlone = tryLockDirectory(handle.fd);
    if (isAlone === false) throw isRunning(directory);
    if (isAlone) await removeUnfinished(join(directory, 'machines'));
  } catch (error) {
    await handle.close();
    throw error;
  }
  return () => handle.close();
}

function isRunning(directory: string): UmbraError {
  return new UmbraError('AGENT_RUNNING', `another agent runs with the state in ${directory}`, {
    hint: 'One is enough for a host: end the other one first.',
  });
}

/** What an agent had begun to write of its machines when it was killed. */
async function removeUnfinished(machines: string): Promise<void> {
  for (const machine of (await entriesIn(machines)).filter((each) => each.isDirectory())) {
    const directory = join(machines, machine.name);
    for (const file of await entriesIn(directory)) {
      if (file.isFile() && file.name.endsWith(UNFINISHED)) await rm(join(directory, file.name), { force: true });
    }
  }
}

async function entriesIn(directory: string): Promise<Dirent[]> {
  return await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
}
