import { tmpdir } from 'node:os';
import path from 'node:path';

import type { NodeFile } from '../../agent/images/image-node.js';
import { openStoredChain } from '../../agent/images/stored-chain.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { Progress, RestoreVolumeResult } from '../protocol/api.js';
import type { StoredChain } from '../protocol/stored-chains.js';
import type { ObjectReader } from '../store/object-reader.js';
import type { ShadowCopyRecord } from '../store/records.js';
import { makeHeldDirectory } from '../system/held-directory.js';
import type { WorkerPool } from '../workers/pool.js';
import { findVolume } from './find-volume.js';
import { VolumeRestore } from './restore-volume.js';
import { targetError } from './target-error.js';
import { giveUpTarget, openTarget, type Target } from './target.js';
import { writeImage } from './write-image.js';

/** What directories for files begin with while they are merged. */
const MERGE_PREFIX = '.umbra-merge-';

export interface MergeOptions {
  readonly reader: ObjectReader;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly storeDirectory: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

interface Merge {
  readonly chain: StoredChain;
  readonly target: Target;
}

/**
 * Write the disks that stored files make up. Meanwhile the files lie in a directory beside the target, or in that for temporary
 * files if the target is a device, which must have room for them.
 * @param fileOf where a disk goes
 * @throws {UmbraError} TARGET_*, IMAGE_FORMAT, IMAGE_FAILED, PROGRAM_MISSING, STORE_DAMAGED, STORE_FAILED, CANCELLED
 */
export async function mergeChains(
  options: MergeOptions,
  record: ShadowCopyRecord,
  chains: readonly StoredChain[],
  fileOf: (disk: string) => string,
): Promise<RestoreVolumeResult[]> {
  const { storeDirectory } = options;
  const merges: Merge[] = [];
  const left = new Set<Target>();
  try {
    for (const chain of chains) {
      // How large the disk is only its files say.
      const target = await openTarget({ file: fileOf(chain.disk), sizeBytes: 0, storeDirectory });
      merges.push({ chain, target });
      left.add(target);
    }
    const results: RestoreVolumeResult[] = [];
    for (const merge of merges) {
      results.push(await mergeOne(options, record, merge, () => left.delete(merge.target)));
      await merge.target.handle.close();
    }
    return results;
  } finally {
    for (const { target } of merges) await (left.has(target) ? giveUpTarget(target) : target.handle.close());
  }
}

/** @param onWrite called before the target is changed */
async function mergeOne(
  options: MergeOptions,
  record: ShadowCopyRecord,
  { chain, target }: Merge,
  onWrite: () => void,
): Promise<RestoreVolumeResult> {
  const { clock, signal, progress } = options;
  const parent = target.kind === 'device' ? tmpdir() : path.dirname(target.path);
  const directory = await makeHeldDirectory(parent, MERGE_PREFIX).catch((error: unknown) => {
    throw forFiles(targetError(target.path, error), chain, target, parent);
  });
  try {
    const files = await writeFiles(options, record, chain, directory.path).catch((error: unknown) => {
      throw forFiles(error, chain, target, parent);
    });
    const disk = await openStoredChain(files, clock).catch((error: unknown) => {
      throw named(error, files, chain);
    });
    try {
      onWrite();
      const totalBytes = disk.client.info.sizeBytes;
      const onPassed = (doneBytes: number): void => {
        progress({ what: `merging ${chain.disk}`, doneBytes, totalBytes });
      };
      return await writeImage({ name: chain.disk, client: disk.client, target, signal, onPassed });
    } finally {
      await disk.close();
    }
  } finally {
    await directory.remove();
  }
}

/** @returns the files, the bottom first */
async function writeFiles(
  { reader, pool, storeDirectory, signal, progress }: MergeOptions,
  record: ShadowCopyRecord,
  { files }: StoredChain,
  directory: string,
): Promise<NodeFile[]> {
  const written: NodeFile[] = [];
  for (const { volume: name, format } of files) {
    const volume = findVolume(record, name);
    const file = path.join(directory, name);
    const target = await openTarget({ file, sizeBytes: volume.sizeBytes, storeDirectory, isImageFile: true });
    try {
      const onPassed = (doneBytes: number): void => {
        progress({ what: `reading ${name}`, doneBytes, totalBytes: volume.sizeBytes });
      };
      const { damaged } = await new VolumeRestore({ reader, pool, volume, target, signal, onPassed }).run();
      if (!damaged.isEmpty) throw damagedFile(name, damaged.describe());
    } finally {
      await target.handle.close();
    }
    written.push({ path: target.path, format });
  }
  return written;
}

/** Nobody makes a disk of a file that has holes where its tables were. */
function damagedFile(volume: string, what: string): UmbraError {
  return new UmbraError('STORE_DAMAGED', `the disk cannot be merged: of ${volume}, ${what} are damaged in the store`, {
    hint: 'Run "umbra verify" to see what heals it. Without --merge, what is left of the files is restored.',
  });
}

/** The files need room of their own, of which whoever looks at the target sees nothing: an error for want of it says so. */
function forFiles(error: unknown, { disk }: StoredChain, { kind }: Target, directory: string): unknown {
  if (!isUmbraError(error, 'TARGET_FULL')) return error;
  const elsewhere = kind === 'device' ? ', or restore to a file where there is some,' : '';
  const message = `the disk of ${directory} is full, where the files of ${disk} lie until they are merged`;
  const hint = `Make room there${elsewhere} and run the command again.`;
  return new UmbraError('TARGET_FULL', message, { hint, cause: error });
}

/** An error that says where a file lay, instead of where it is for the moment. */
function named(error: unknown, files: readonly NodeFile[], chain: StoredChain): unknown {
  if (!(error instanceof UmbraError)) return error;
  // The last one first: the path of the tenth begins like that of the first.
  const said = (text: string): string =>
    files.reduceRight((all, { path: now }, index) => all.replaceAll(now, chain.files[index]?.path ?? now), text);
  const hint = error.hint === undefined ? {} : { hint: said(error.hint) };
  return new UmbraError(error.code, said(error.message), { ...hint, cause: error });
}
