import { BlockCache } from '../../mount/blocks/block-cache.js';
import type { Location } from '../../mount/blocks/byte-source.js';
import type { FindDevices } from '../../mount/files/guest-device.js';
import { ShadowFiles } from '../../mount/files/shadow-files.js';
import { type ImageCaches, imageCaches } from '../../mount/qcow2/image-caches.js';
import type { ShadowCopySource } from '../../mount/source.js';
import type { Clock } from '../common/clock.js';
import type { Log } from '../common/log.js';
import type { Progress } from '../protocol/api.js';
import type {
  CopyFilesRequest,
  CopyFilesResult,
  DiffFilesRequest,
  DiffFilesResult,
  FileDifference,
  FileHistoryRequest,
  FileHistoryResult,
  FindFilesRequest,
  FindFilesResult,
  FoundFile,
  ListedFile,
  ListFilesRequest,
  ListFilesResult,
  ReadFileRequest,
} from '../protocol/files-api.js';
import type { Listing } from '../store/catalog.js';
import type { ReadableStore } from '../store/readable-store.js';
import { checkDirectory, type CheckDirectoryRequest } from './check-directory.js';
import { copyFiles } from './copy-files.js';
import { diffFiles } from './diff-files.js';
import { fileHistory } from './file-history.js';
import { findFiles } from './find-files.js';
import { listFiles } from './list-files.js';
import type { FilesContext } from './opened-version.js';
import { readFile, type FileContent } from './read-file.js';
import { touchedFiles, type TouchedFiles, type TouchedOptions } from './touched-files.js';
import type { Verdicts } from './verdicts.js';
import { watched } from './watched-view.js';

/** What an operation is given besides its request. */
export interface FilesJob {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/** As {@link FilesJob}, for a result of many items. */
export interface FilesStream<T> extends FilesJob {
  /** Takes some of them; resolves when there is room for more. */
  readonly emit: (items: readonly T[]) => Promise<void>;
}

/** What can be done with the files in shadow copies. Each throws what its function in this folder throws. */
export interface FileOperations {
  checkDirectory(request: CheckDirectoryRequest): Promise<void>;
  list(request: ListFilesRequest, job: FilesStream<ListedFile>): Promise<ListFilesResult>;
  read(request: ReadFileRequest, job: FilesJob): Promise<FileContent>;
  copy(request: CopyFilesRequest, job: FilesJob): Promise<CopyFilesResult>;
  history(request: FileHistoryRequest, job: FilesJob): Promise<FileHistoryResult>;
  find(request: FindFilesRequest, job: FilesStream<FoundFile>): Promise<FindFilesResult>;
  diff(request: DiffFilesRequest, job: FilesStream<FileDifference>): Promise<DiffFilesResult>;
  touched(request: TouchedRequest, job: FilesJob): Promise<TouchedFiles>;
}

export type TouchedRequest = Pick<TouchedOptions, 'versions' | 'mostWalks'>;

export interface FileOperationsOptions {
  readonly store: () => ReadableStore;
  readonly source: ShadowCopySource;
  readonly find: FindDevices;
  /** Absolute path of the store; undefined for one that is elsewhere. */
  readonly storeDirectory: string | undefined;
  readonly verdicts: Verdicts;
  readonly clock: Clock;
  readonly log: Log;
}

/** Metadata kept for all shadow copies that an operation has open. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** The operations on the files of a store on this machine. */
export class LocalFileOperations implements FileOperations {
  readonly #options: FileOperationsOptions;

  constructor(options: FileOperationsOptions) {
    this.#options = options;
  }

  checkDirectory(request: CheckDirectoryRequest): Promise<void> {
    return checkDirectory(this.#context(), request);
  }

  list(request: ListFilesRequest, job: FilesStream<ListedFile>): Promise<ListFilesResult> {
    return listFiles({ context: this.#context(), request, ...job });
  }

  read(request: ReadFileRequest, job: FilesJob): Promise<FileContent> {
    return readFile({ context: this.#context(), request, ...job });
  }

  copy(request: CopyFilesRequest, job: FilesJob): Promise<CopyFilesResult> {
    const { storeDirectory } = this.#options;
    return copyFiles({ context: this.#context(), request, storeDirectory, ...job });
  }

  history(request: FileHistoryRequest, job: FilesJob): Promise<FileHistoryResult> {
    return fileHistory({ context: this.#context(), request, ...job });
  }

  find(request: FindFilesRequest, job: FilesStream<FoundFile>): Promise<FindFilesResult> {
    return findFiles({ context: this.#context(), request, ...job });
  }

  diff(request: DiffFilesRequest, job: FilesStream<FileDifference>): Promise<DiffFilesResult> {
    return diffFiles({ context: this.#context(), request, ...job });
  }

  touched(request: TouchedRequest, job: FilesJob): Promise<TouchedFiles> {
    return touchedFiles({ context: this.#context(), ...request, ...job });
  }

  /** The store may be rebuilt between two operations, so it is asked for each time. */
  #context(): FilesContext {
    const { store, verdicts, clock } = this.#options;
    const caches = imageCaches(new BlockCache(CACHE_BYTES));
    return { store: store(), verdicts, clock, open: (listing, onRead) => this.#open(listing, caches, onRead) };
  }

  async #open(listing: Listing, caches: ImageCaches, onRead: (location: Location) => void): Promise<ShadowFiles> {
    const { source, find, clock, log } = this.#options;
    const { machine, name } = listing;
    return await ShadowFiles.open({
      title: `${machine}@${name}`,
      view: watched(await source.open(machine, name), onRead),
      find,
      caches,
      clock,
      log,
      onOpened: () => undefined,
    });
  }
}
