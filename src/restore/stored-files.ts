import path from 'node:path';

import { UmbraError } from '../common/errors.js';
import { chainsOf, type StoredChain } from '../protocol/stored-chains.js';
import type { ShadowCopyRecord } from '../store/records.js';

/**
 * Where in a directory the file of each volume goes: under its own name, and to each other as they lay, so that an overlay that
 * names what it lies on from where it is finds it.
 */
export function filePlaces(chains: readonly StoredChain[]): ReadonlyMap<string, string> {
  const files = chains.flatMap((chain) => chain.files);
  const top = files.map((file) => path.dirname(file.path)).reduce(commonDirectory, undefined) ?? '/';
  return new Map(files.map((file) => [file.volume, path.relative(top, file.path)]));
}

/** @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT where there is nothing to merge */
export function chainsToMerge(record: ShadowCopyRecord, disk: string | undefined): readonly StoredChain[] {
  const chains = chainsOf(record);
  if (chains === undefined) {
    throw new UmbraError('BAD_ARGUMENT', `${record.machine}@${record.name} has whole disks: nothing is to be merged`, {
      hint: 'Leave --merge out. What "umbra protect --as-is" protects is stored file by file.',
    });
  }
  const wanted = chains.filter((chain) => disk === undefined || chain.disk === disk);
  if (wanted.length > 0) return wanted;
  throw new UmbraError('NOT_FOUND', `${record.machine}@${record.name} has no disk "${disk ?? ''}"`, {
    hint: `It has ${chains.map((chain) => chain.disk).join(', ')}.`,
  });
}

function commonDirectory(common: string | undefined, directory: string): string {
  if (common === undefined) return directory;
  let at = common;
  while (at !== '/' && directory !== at && !directory.startsWith(`${at}/`)) at = path.dirname(at);
  return at;
}
