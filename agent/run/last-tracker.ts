import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, systemCode } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import { makeDirectories } from '../../src/system/make-directory.js';
import { writeDurably } from '../../src/system/durable-file.js';
import type { Tracker } from '../trackers/tracker.js';
import type { Candidate } from './candidate.js';

const FILE = 'tracker';

/** Where a machine's state is. */
export interface TrackedMachine {
  readonly name: string;
  /** Absolute; the machine's own. */
  readonly directory: string;
}

/**
 * Note which tracker made a machine's last shadow copy. If that was another one before, what it keeps in the machine (bitmaps that
 * record on, overlays) is taken away, since the next shadow copy is not made from it; if that fails, the next time.
 */
export async function noteTracker(
  { name, directory }: TrackedMachine,
  tracker: Tracker['kind'],
  candidates: () => Promise<readonly Candidate[]>,
  log: Log,
): Promise<void> {
  const file = join(directory, FILE);
  const former = await readKind(file);
  if (former === tracker) return;
  try {
    for (const candidate of await candidates()) {
      if (candidate.kind === former && 'tracker' in candidate) await candidate.tracker.forget();
    }
    await makeDirectories(directory);
    await writeDurably(file, `${tracker}\n`);
  } catch (error) {
    log.warn('what the tracker before keeps could not be taken away yet', { machine: name, error: messageOf(error) });
  }
}

async function readKind(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
