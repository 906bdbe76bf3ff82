import type { ShadowCopySource } from '../../mount/source.js';
import type { FileOperations } from '../files/file-operations.js';
import type {
  BackupRequest,
  BackupResult,
  DiffRequest,
  DiffResult,
  ExportRequest,
  ExportResult,
  ForgetRequest,
  ForgetResult,
  GcResult,
  KeepReplicaResult,
  RebuildResult,
  RestoreRequest,
  RestoreResult,
  ShadowCopyInfo,
  StatsResult,
  VerifyRequest,
  VerifyResult,
} from '../protocol/api.js';
import type { HeldMachine } from '../protocol/changes-api.js';
import type { Uploads } from '../ingest/uploads.js';
import type { AlertStore } from '../alerts/alert-store.js';
import type { Fleet } from '../agents/fleet.js';
import type { ForgetContext } from './forget.js';
import type { JobContext } from './job-context.js';
import type { ObjectAccess } from './object-access.js';
import type { Planning } from './planning.js';
import type { PolicyService } from './policy-service.js';
import type { StoreUpkeep } from './store-upkeep.js';
import type { SpaceReport } from '../store/space-watch.js';
import type { ChosenLimits } from '../store/space.js';
import type { StoreFigures } from '../store/figures.js';
import type { CipherName } from '../codec/aead.js';
import type { KeysResult } from '../protocol/keys-api.js';
import type { StoreKeyring } from '../store/store-keyring.js';
import type { AskSecret } from '../store/unlock.js';
import type { AddShareRequest, ShareInfo } from '../protocol/shares-api.js';
import type { PrivateFiles } from '../system/private-files.js';

/**
 * Everything the server does with a store. Requests have been validated for shape: names match
 * their patterns, paths are absolute. Whether what they name exists is for the engine to say.
 *
 * The server keeps two backups of one machine, two collections, and a rebuild and anything else,
 * from running at once (`conflicts.ts`); every other combination happens.
 */
export interface Engine {
  /** @throws {UmbraError} IMAGE_*, BAD_NAME, STORE_*, CANCELLED */
  backup(request: BackupRequest, context: JobContext): Promise<BackupResult>;
  /**
   * All listed shadow copies, or those of one machine, sorted by machine and then by the order they were made.
   * @throws {UmbraError} NOT_FOUND when `machine` is given and has no shadow copy
   */
  list(machine: string | undefined): Promise<readonly ShadowCopyInfo[]>;
  /** The replicas that are newer than the shadow copies of their machines. @throws {UmbraError} STORE_* */
  replicas(machine: string | undefined): Promise<readonly ShadowCopyInfo[]>;
  /**
   * Make a shadow copy of a machine's replica, without its agent.
   * @throws {UmbraError} NOT_FOUND for a machine with neither; STORE_*
   */
  keepReplica(machine: string): Promise<KeepReplicaResult>;
  /** @throws {UmbraError} NOT_FOUND, TARGET_*, STORE_*, CANCELLED */
  restore(request: RestoreRequest, context: JobContext): Promise<RestoreResult>;
  /** @throws {UmbraError} NOT_FOUND, TARGET_*, PROGRAM_MISSING, STORE_*, CANCELLED */
  export(request: ExportRequest, context: JobContext): Promise<ExportResult>;
  /** @throws {UmbraError} NOT_FOUND, STORE_*, CANCELLED */
  diff(request: DiffRequest, context: JobContext): Promise<DiffResult>;
  /** @throws {UmbraError} NOT_FOUND, SHADOW_COPY_PROTECTED, LAST_SHADOW_COPY, SHADOW_COPY_OPEN, STORE_* */
  forget(request: ForgetRequest, context: JobContext & Pick<ForgetContext, 'deleted'>): Promise<ForgetResult>;
  /** @throws {UmbraError} STORE_*, CANCELLED */
  gc(context: JobContext): Promise<GcResult>;
  /**
   * Damage found is a result, not an error.
   * @throws {UmbraError} NOT_FOUND, STORE_FAILED, CANCELLED
   */
  verify(request: VerifyRequest, context: JobContext): Promise<VerifyResult>;
  /** Nothing else runs meanwhile and nothing is mounted. @throws {UmbraError} STORE_*, CANCELLED */
  rebuild(context: JobContext): Promise<RebuildResult>;
  /** @throws {UmbraError} STORE_* */
  stats(): Promise<StatsResult>;
  /** What is known without reading the store. @throws {UmbraError} STORE_IN_USE while it is rebuilt; the system's error */
  figures(): Promise<StoreFigures>;
  /** What can be done with the files in shadow copies; loaded when it is first asked for. */
  files(): Promise<FileOperations>;
  /** How the store is encrypted, and its keys. @throws {UmbraError} NOT_ENCRYPTED, KEY_LOST, KEY_DAMAGED */
  keys(): Promise<KeysResult>;
  /** Who can open the store. @throws {UmbraError} NOT_ENCRYPTED */
  keyring(): Keyring;
  /** What the secrets of the store's own server are kept in. @throws {UmbraError} KEY_MISSING, KEY_WRONG, KEY_LOST, KEY_DAMAGED */
  privateFiles(): Promise<PrivateFiles>;
  /** The shares, sorted by name. @throws {UmbraError} STORE_DAMAGED when it is not known any more what is shared */
  shares(): Promise<readonly ShareInfo[]>;
  /**
   * Make a share; nothing is done if it is there just so.
   * @throws {UmbraError} NOT_FOUND for a machine without shadow copies, BAD_ARGUMENT when the name is taken, STORE_*
   */
  addShare(request: AddShareRequest): Promise<ShareInfo>;
  /** @throws {UmbraError} NOT_FOUND, STORE_* */
  removeShare(name: string): Promise<ShareInfo>;
  /** How much room there is, and whether shadow copies can be made. */
  space(): EngineSpace;
  /** The machines of which nothing is deleted since too much of their data has changed. @throws {UmbraError} STORE_IN_USE while the store is rebuilt */
  heldMachines(): readonly HeldMachine[];
  /**
   * Let what is kept of such a machine be deleted again.
   * @param by who says so, for people
   * @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT if nothing is kept, STORE_*
   */
  acknowledge(machine: string, by: string): Promise<HeldMachine>;
  /** How often shadow copies are made, and how long they are kept. */
  policies(): PolicyService;
  /** The machines that agents see and protect. */
  fleet(): Fleet;
  /** What is planned for, what there is of it, and where that is noted. */
  planning(): Planning;
  /** Where alerts are kept; asked for each time: the store may be rebuilt. @throws {UmbraError} STORE_IN_USE while it is */
  alerts(): AlertStore;
  /** The shadow copies that agents are sending. */
  uploads(): Uploads;
  /** What keeps it sound. */
  upkeep(): StoreUpkeep;
  /** What clients elsewhere may read of its shadow copies. */
  objects(): ObjectAccess;
  /** What mounts show; the same object every time, and good until {@link close}. */
  shadowCopySource(): ShadowCopySource;
  /** Ends when everything is durable and the store's lock is given back. Idempotent. */
  close(): Promise<void>;
}

/** Changes who can open a store; see {@link StoreKeyring}. */
export type Keyring = Pick<StoreKeyring, 'add' | 'change' | 'remove'>;

/** The room on the disk of a store. */
export interface EngineSpace {
  /** Undefined until it was looked at. */
  readonly report: SpaceReport | undefined;
  /** Refuse to make a shadow copy. @throws {UmbraError} STORE_FULL while there is too little room */
  readonly assertRoom: () => Promise<void>;
  /** Call `listener` after each look, and now if there was one. */
  readonly onLook: (listener: (report: SpaceReport) => void) => void;
}

/** How a store is made when there is none. */
export interface CreateStoreOptions {
  /** `may`: open the store that is there; `must`: refuse it with STORE_EXISTS. */
  readonly mode: 'may' | 'must';
  readonly codec?: 'zstd' | 'lz4';
  /** The compression level, where the codec has levels. */
  readonly level?: number;
  /** The cutting seed, 16 hex digits; random without it. */
  readonly seed?: string;
  /** The version of its format, the newest without it. */
  readonly format?: '1' | '2';
  /** Encrypt it; what is asked for the key opens it from then on. */
  readonly cipher?: CipherName;
}

export interface OpenEngineOptions {
  /** Absolute path of the store's directory. */
  readonly store: string;
  /** Without it, a store that is not there is STORE_NOT_FOUND. */
  readonly create?: CreateStoreOptions;
  /** With how little room a warning comes, and nothing is taken in any more. */
  readonly space?: ChosenLimits;
  /**
   * Called once, after the store's lock is taken and before anything that can be slow (recovering
   * a database). The server starts to listen in it, so clients that come meanwhile wait instead
   * of being told STORE_IN_USE. When it rejects, the lock is given back and opening fails with its error.
   */
  readonly onLocked?: () => Promise<void>;
  /** What opens the store, if it is encrypted. */
  readonly ask?: AskSecret;
}

/**
 * Opens a store and its engine.
 * @throws {UmbraError} STORE_NOT_FOUND, STORE_EXISTS, STORE_FOREIGN, STORE_NEWER, STORE_IN_USE ("in use by process N"),
 *   NOT_OWNER, STORE_FAILED, STORE_DAMAGED
 */
export type OpenEngine = (options: OpenEngineOptions) => Promise<Engine>;
