import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runQemuImg } from '../../images/qemu-program.js';
import { removeScratchFiles } from '../qemu-bitmap/fleece.js';
import { giveTo } from '../qemu-bitmap/nbd-server.js';
import type { BackupDisk } from './backup-xml.js';
import { SCRATCH_PREFIX, socketPrefix } from './names.js';

export interface WorkDirectories {
  /** For scratch files. */
  readonly scratch: string;
  /** Absolute; nobody listens there yet. */
  readonly socketPath: string;
  /** Take both directories away. */
  remove(): Promise<void>;
}

export interface WorkPlaces {
  /** Of the machine. */
  readonly uuid: string;
  /** Absolute, for this machine alone. */
  readonly scratchDirectory: string;
  /** Absolute and short, for sockets of all machines. */
  readonly runtimeDirectory: string;
}

/** Directories for one backup, which only QEMU's user and root can enter. @param owner - the user QEMU runs as */
export async function makeWorkDirectories(places: WorkPlaces, owner: number): Promise<WorkDirectories> {
  const made: string[] = [];
  const remove = async (): Promise<void> => {
    for (const directory of made) await rm(directory, { recursive: true, force: true });
  };
  try {
    const scratch = await mkdtemp(join(places.scratchDirectory, SCRATCH_PREFIX));
    made.push(scratch);
    const runtime = await mkdtemp(join(places.runtimeDirectory, socketPrefix(places.uuid)));
    made.push(runtime);
    for (const directory of made) await giveTo(directory, owner);
    return { scratch, socketPath: join(runtime, 'socket'), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/**
 * Make the scratch files of a backup, empty, over what is there. libvirt would make them itself, while the guest stands still.
 * @throws {UmbraError} PROGRAM_MISSING, IMAGE_FAILED when there is no room
 */
export async function makeScratchFiles(disks: readonly BackupDisk[], owner: number): Promise<void> {
  for (const { scratchPath, sizeBytes } of disks) {
    await runQemuImg(scratchPath, ['create', '-q', '-f', 'qcow2', scratchPath, String(sizeBytes)]);
    await giveTo(scratchPath, owner);
  }
}

/** What agents have left that were killed. Only when no backup of ours runs. */
export async function removeLeftovers({ uuid, scratchDirectory, runtimeDirectory }: WorkPlaces): Promise<void> {
  await removeScratchFiles(scratchDirectory);
  for (const name of await readdir(runtimeDirectory)) {
    if (!name.startsWith(socketPrefix(uuid))) continue;
    await rm(join(runtimeDirectory, name), { recursive: true, force: true });
  }
}
