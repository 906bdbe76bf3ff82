import { join } from 'node:path';
import { findDevices } from '../../mount/files/find-devices.js';
import type { ShadowCopySource } from '../../mount/source.js';
import type { Clock } from '../common/clock.js';
import { silentLog } from '../common/log.js';
import { LocalFileOperations, type FileOperations } from '../files/file-operations.js';
import { Verdicts } from '../files/verdicts.js';
import type { Store } from '../store/store.js';

/** Where an object has its type, in what its name is made of: it is none. */
const VERDICT = 0;

export interface OpenFilesOptions {
  readonly store: () => Store;
  readonly source: ShadowCopySource;
  /** Absolute path of the store. */
  readonly directory: string;
  readonly clock: Clock;
}

/** The operations on files of a store on this machine. What they meet with they answer, so nothing is logged. */
export function openFiles({ store, source, directory, clock }: OpenFilesOptions): {
  readonly operations: FileOperations;
  readonly close: () => Promise<void>;
} {
  const nameOf = (digest: Uint8Array): Uint8Array => store().objectStore.seal?.nameOf(VERDICT, digest) ?? digest;
  const verdicts = new Verdicts(join(directory, 'compared'), undefined, nameOf);
  const operations = new LocalFileOperations({
    store,
    source,
    find: findDevices,
    storeDirectory: directory,
    verdicts,
    clock,
    log: silentLog,
  });
  return { operations, close: () => verdicts.close() };
}
