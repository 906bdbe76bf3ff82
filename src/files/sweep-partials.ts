import { opendir } from 'node:fs/promises';
import { isAbandoned } from './partial-names.js';
import type { TargetDirectory } from './target-directory.js';

/**
 * Take away what copies by processes of this user, that were killed, left half done in a directory. It is no more than
 * tidying up: what can't be taken away, or may still be written, stays.
 */
export async function sweepPartials(directory: TargetDirectory): Promise<void> {
  try {
    for (const name of await abandonedIn(directory)) await remove(directory, name);
  } catch {
    // It can't be listed, or is of someone else.
  }
}

async function abandonedIn(directory: TargetDirectory): Promise<Buffer[]> {
  const names: Buffer[] = [];
  // Names that are no UTF-8 are not ours, whatever they become here.
  const entries = await opendir(directory.path().toString(), { bufferSize: 256 });
  for await (const { name } of entries) if (isAbandoned(name)) names.push(Buffer.from(name));
  return names;
}

async function remove(directory: TargetDirectory, name: Buffer): Promise<void> {
  const there = await directory.lstat(name);
  if (there?.uid !== BigInt(process.geteuid?.() ?? -1)) return;
  if (there.isDirectory()) await removeRoom(directory, name);
  else await directory.discard(name);
}

/** A directory in which links and special files are made has nothing else in it. */
async function removeRoom(directory: TargetDirectory, name: Buffer): Promise<void> {
  const room = await directory.into(name);
  try {
    for (const inner of await abandonedIn(room)) await room.discard(inner);
  } finally {
    await room.close();
  }
  await directory.removeEmpty(name);
}
