import { stat } from 'node:fs/promises';
import path from 'node:path';
import { systemCode, UmbraError } from '../common/errors.js';
import { printable } from '../common/printable.js';
import type { Progress } from '../protocol/api.js';
import type { CopyFilesRequest, CopyFilesResult } from '../protocol/files-api.js';
import { targetError } from '../restore/target-error.js';
import { assertNotInStore, isInUmbraMount, resolveTarget } from '../restore/target-path.js';
import { readMounts, type MountEntry } from '../system/mounts.js';
import { copyError, goOnCommand } from './copy-error.js';
import { keepsOwners } from './copy-metadata.js';
import { CopyReport } from './copy-report.js';
import { CopyTree } from './copy-tree.js';
import { locateFile, type FileLocation } from './file-location.js';
import { hostName, shownHostName } from './host-name.js';
import { withVersion, type FilesContext } from './opened-version.js';
import { irreplaceable } from './replaceable.js';
import { sweepPartials } from './sweep-partials.js';
import { TargetDirectory } from './target-directory.js';

export interface CopyFilesOptions {
  readonly context: FilesContext;
  readonly request: CopyFilesRequest;
  /** Absolute path of the store, into which nothing is copied; undefined for one that is elsewhere. */
  readonly storeDirectory: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/** Where the copy goes. */
interface Destination {
  /** Without symbolic links. */
  readonly directory: string;
  readonly name: Buffer;
  /** For people. */
  readonly shown: string;
}

/**
 * Copy a file, or a directory with everything in it, out of a shadow copy. Nothing is written through a symbolic link
 * that lies in the target, nor outside of it. Damaged files are left out and the rest is copied; the result says which.
 *
 * @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT for a directory that is not to be copied, TARGET_EXISTS, TARGET_REFUSED,
 *   TARGET_FULL, TARGET_FAILED, FILESYSTEM_DAMAGED, FILESYSTEM_UNREADABLE, STORE_DAMAGED, STORE_FAILED, CANCELLED
 */
export async function copyFiles(options: CopyFilesOptions): Promise<CopyFilesResult> {
  const { context, request } = options;
  return await withVersion(context, request, `a copy to ${request.to}`, async (version) => {
    const start = context.clock.monotonic();
    const followLast = request.contents === true;
    const file = await locateFile(version.files, request.path, { title: version.title, followLast });
    assertMayCopy(request, file);
    const destination = await findDestination(options, file);
    const report = new CopyReport();
    await copyTo(options, { ...file, source: `${version.title}:${request.path}` }, destination, report);
    return {
      machine: version.listing.machine,
      shadowCopy: version.listing.name,
      path: file.path,
      to: destination.shown,
      ...report.counts,
      writtenBytes: report.writtenBytes,
      problems: report.problems,
      readProblems: report.problemCounts.read,
      writeProblems: report.problemCounts.write,
      metadataProblems: report.problemCounts.metadata,
      owners: keepsOwners(),
      seconds: (context.clock.monotonic() - start) / 1000,
    };
  });
}

async function copyTo(
  { request, signal, progress }: CopyFilesOptions,
  file: FileLocation & { readonly source: string },
  destination: Destination,
  report: CopyReport,
): Promise<void> {
  const { filesystem, id } = file;
  const isFile = file.stat.type === 'file';
  const onWritten = (bytes: number): void => {
    report.writtenBytes += bytes;
    const what = isFile ? 'copying' : `copying, ${report.doneFiles} files`;
    const total = isFile ? { totalBytes: file.stat.sizeBytes } : {};
    progress({ what, doneBytes: report.writtenBytes, ...total });
  };
  try {
    const parent = await TargetDirectory.open(destination.directory);
    try {
      await assertMayMake(parent, destination, file, request.force);
      await sweepPartials(parent);
      const options = { filesystem, report, force: request.force, sync: isFile, signal, onWritten };
      await new CopyTree(options, parent).copy({ id, path: file.path }, destination.name);
      if (isFile) await parent.handle.sync();
    } finally {
      await parent.close();
    }
  } catch (error) {
    const goOn = file.stat.type === 'directory' ? goOnCommand(file.source, destination.shown) : undefined;
    throw copyError(destination.shown, error, goOn);
  }
}

/** As cp does: into a directory that is there, else to that name; the contents of a directory always to that name. */
async function findDestination(options: CopyFilesOptions, file: FileLocation): Promise<Destination> {
  const { request, storeDirectory } = options;
  const mounts = await readMounts();
  const inside = await directoryAt(request.to, mounts);
  if (inside === undefined && request.toDirectory) {
    throw new UmbraError('TARGET_FAILED', `${request.to} is not a directory`, { hint: 'Make it first.' });
  }
  const isInto = inside !== undefined && request.contents !== true;
  const to = isInto ? path.join(inside, 'name') : (inside ?? request.to);
  const directory = await resolveTarget(path.dirname(to), mounts);
  const name = isInto ? nameOf(file) : Buffer.from(path.basename(to));
  const shown = path.join(directory, name.toString());
  await assertNotInStore(shown, storeDirectory, mounts);
  const inner = mounts.find(
    (mount) => mount.mountPoint.startsWith(`${shown}/`) && isInUmbraMount(mount.mountPoint, mounts),
  );
  if (inner !== undefined) {
    throw new UmbraError('TARGET_REFUSED', `a mount of Umbra lies in ${shown}, at ${inner.mountPoint}`, {
      hint: 'Give another target.',
    });
  }
  return { directory, name, shown };
}

function nameOf({ name }: FileLocation): Buffer {
  return hostName(name) ?? shownHostName(name);
}

/** The directory that a path names or leads to; undefined if there is none. */
async function directoryAt(file: string, mounts: readonly MountEntry[]): Promise<string | undefined> {
  const resolved = await resolveTarget(file, mounts);
  try {
    return (await stat(resolved)).isDirectory() ? resolved : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw targetError(file, error);
  }
}

/** @throws {UmbraError} TARGET_EXISTS */
async function assertMayMake(
  parent: TargetDirectory,
  { name, shown }: Destination,
  file: FileLocation,
  force: boolean,
): Promise<void> {
  const there = await parent.lstat(name);
  if (there === undefined) return;
  const isDirectory = file.stat.type === 'directory';
  if (there.isDirectory() !== isDirectory) {
    const what = isDirectory ? 'no directory, and a directory is copied' : 'a directory, and a file is copied';
    throw new UmbraError('TARGET_EXISTS', `${shown} is there already, and is ${what}`, {
      hint: 'Give another target.',
    });
  }
  const special = isDirectory ? undefined : irreplaceable(there, file.stat);
  if (special !== undefined) {
    throw new UmbraError('TARGET_EXISTS', `${shown} is ${special}, and is not replaced by a copy`, {
      hint: 'Give another target, or remove it first.',
    });
  }
  if (force) return;
  throw new UmbraError('TARGET_EXISTS', `${shown} is there already`, {
    hint: isDirectory
      ? 'Give another target, or --force to go on into it and replace files in it.'
      : 'Give another target, or --force to replace it.',
  });
}

/** @throws {UmbraError} BAD_ARGUMENT */
function assertMayCopy({ path: file, recursive, contents }: CopyFilesRequest, { stat }: FileLocation): void {
  const isDirectory = stat.type === 'directory';
  if (isDirectory && !recursive) {
    throw new UmbraError('BAD_ARGUMENT', `${printable(file)} is a directory`, {
      hint: 'Give -r to copy it with everything in it.',
    });
  }
  if (!isDirectory && contents === true) {
    throw new UmbraError('BAD_ARGUMENT', `${printable(file)} is not a directory`, {
      hint: 'Leave out the "/." at its end.',
    });
  }
}
