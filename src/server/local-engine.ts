import type { ShadowCopySource } from '../../mount/source.js';
import { changesBetween } from '../backup/change-count.js';
import { backUpMachine } from '../backup/backup-machine.js';
import { makeCompressor } from '../codec/compression.js';
import { systemClock, type Clock } from '../common/clock.js';
import { diffShadowCopies } from '../diff/diff-shadow-copies.js';
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
import type { KeysResult } from '../protocol/keys-api.js';
import type { HeldMachine } from '../protocol/changes-api.js';
import type { AddShareRequest, ShareInfo } from '../protocol/shares-api.js';
import { exportQcow2 } from '../restore/export-qcow2.js';
import { restore } from '../restore/restore-machine.js';
import { alertStoreOf, type AlertStore } from '../alerts/alert-store.js';
import { Fleet } from '../agents/fleet.js';
import { Uploads } from '../ingest/uploads.js';
import { Machines } from '../store/machines.js';
import { shadowCopyInfo } from '../store/records.js';
import type { Forget } from '../store/one-stays.js';
import { Shares } from '../store/shares.js';
import { storeFigures, type StoreFigures } from '../store/figures.js';
import { storeStats } from '../store/stats.js';
import { StoreDirectory } from '../store/store-directory.js';
import type { Store } from '../store/store.js';
import type { PrivateFiles } from '../system/private-files.js';
import { WorkerPool } from '../workers/pool.js';
import { needSecret } from './key-asking.js';
import { chosen } from './chosen-format.js';
import type { Engine, Keyring, OpenEngine, EngineSpace } from './engine.js';
import type { JobContext } from './job-context.js';
import { acknowledge, heldMachines } from './held-machines.js';
import { forgetShadowCopies, type ForgetContext } from './forget.js';
import { listReplicas, listShadowCopies } from './list-versions.js';
import { needsForce } from './needs-force.js';
import { cachingSource } from './local-source.js';
import { ObjectAccess } from './object-access.js';
import { PolicyService } from './policy-service.js';
import { shownKeys } from './shown-keys.js';
import { verifyStore } from './verify-store.js';
import { writeAmplificationOf } from './write-amplification.js';
import { planningOf, type Planning } from './planning.js';
import { LocalUpkeep, type StoreUpkeep } from './store-upkeep.js';

/** The engine of a store on this machine. */
export const openLocalEngine: OpenEngine = async ({ store, create, space, onLocked, ask }) => {
  const encryption =
    create?.cipher === undefined ? undefined : { cipher: create.cipher, secret: await needSecret(ask) };
  const directory = await StoreDirectory.open({
    directory: store,
    clock: systemClock,
    ...(space === undefined ? {} : { space }),
    ...(onLocked === undefined ? {} : { onLocked }),
    ...(create === undefined
      ? {}
      : { create: { mustBeNew: create.mode === 'must', ...chosen(create), ...(encryption && { encryption }) } }),
    ask,
  });
  return new LocalEngine(directory, systemClock);
};

class LocalEngine implements Engine {
  readonly #directory: StoreDirectory;
  readonly #clock: Clock;
  readonly #source: ShadowCopySource;
  readonly #shares: Shares;
  readonly #policies: PolicyService;
  readonly #fleet: Fleet;
  readonly #uploads: Uploads;
  readonly #objects: ObjectAccess;
  readonly #alerts: () => AlertStore;
  readonly #upkeep: StoreUpkeep = new LocalUpkeep({
    store: () => this.#store,
    pool: () => this.#workers,
    files: () => this.files(),
    clock: systemClock,
  });
  #pool: WorkerPool | undefined;
  #files: { readonly operations: FileOperations; readonly close: () => Promise<void> } | undefined;
  #restoredBytes = 0;

  constructor(directory: StoreDirectory, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
    this.#shares = new Shares(() => this.#store);
    this.#policies = new PolicyService({
      store: () => this.#store,
      clock,
      forget: this.#forgetOne,
      changed: () => {
        this.#fleet.policiesChanged();
      },
    });
    const machines = new Machines(() => this.#store);
    this.#fleet = new Fleet({
      store: () => this.#store,
      machines,
      clock,
      giveUp: (machine) => this.#uploads.giveUp(machine),
    });
    this.#alerts = alertStoreOf(() => this.#store.alerts);
    this.#objects = new ObjectAccess({ store: () => this.#store, machines });
    this.#uploads = new Uploads({ store: () => this.#store, pool: () => this.#workers, clock });
    this.#source = cachingSource(
      () => this.#store,
      () => this.#workers,
    );
  }

  get #store(): Store {
    return this.#directory.store;
  }

  readonly #forgetOne: Forget = (listing, options) =>
    this.#directory.reserve.spend(() => this.#store.forget(listing, options));

  get #workers(): WorkerPool {
    const { cutting, compression } = this.#store.format;
    // A library that is missing is said here in plain words; a worker thread would just die of it.
    if (this.#pool === undefined) makeCompressor(compression);
    return (this.#pool ??= new WorkerPool({ cutting, compression, keys: this.#store.keys }));
  }

  backup(request: BackupRequest, context: JobContext): Promise<BackupResult> {
    return backUpMachine({ store: this.#store, pool: this.#workers, clock: this.#clock, request, ...context });
  }

  list(machine: string | undefined): Promise<readonly ShadowCopyInfo[]> {
    return listShadowCopies(this.#store, machine);
  }

  replicas(machine: string | undefined): Promise<readonly ShadowCopyInfo[]> {
    return listReplicas(this.#store, machine);
  }

  async keepReplica(machine: string): Promise<KeepReplicaResult> {
    const { record, isNew } = await this.#store.keepReplica(machine, changesBetween(this.#store.reader));
    return { shadowCopy: shadowCopyInfo(record), isNew };
  }

  async restore(request: RestoreRequest, context: JobContext): Promise<RestoreResult> {
    const result = await restore({
      store: this.#store,
      pool: this.#workers,
      clock: this.#clock,
      request,
      storeDirectory: this.#directory.directory,
      ...context,
    });
    this.#restoredBytes += result.volumes.reduce((sum, volume) => sum + volume.writtenBytes, 0);
    return result;
  }

  export(request: ExportRequest, context: JobContext): Promise<ExportResult> {
    const { directory } = this.#directory;
    return exportQcow2({
      store: this.#store,
      pool: this.#workers,
      clock: this.#clock,
      request,
      storeDirectory: directory,
      ...context,
    });
  }

  diff(request: DiffRequest, context: JobContext): Promise<DiffResult> {
    return diffShadowCopies({ store: this.#store, pool: this.#workers, request, ...context });
  }

  forget(request: ForgetRequest, context: JobContext & Pick<ForgetContext, 'deleted'>): Promise<ForgetResult> {
    return forgetShadowCopies(request, { ...context, store: this.#store, forget: this.#forgetOne });
  }

  async gc(context: JobContext): Promise<GcResult> {
    const start = this.#clock.monotonic();
    const result = await this.#directory.reserve.spend(() => this.#store.collect(context));
    return { ...result, seconds: (this.#clock.monotonic() - start) / 1000 };
  }

  verify(request: VerifyRequest, context: JobContext): Promise<VerifyResult> {
    return verifyStore({ store: this.#store, pool: this.#workers, clock: this.#clock, request, ...context });
  }

  async rebuild(context: JobContext): Promise<RebuildResult> {
    const start = this.#clock.monotonic();
    const counts = await this.#directory.rebuild(context);
    return { ...counts, seconds: (this.#clock.monotonic() - start) / 1000 };
  }

  async stats(): Promise<StatsResult> {
    const stats = await storeStats(this.#store);
    const { directory, space } = this.#directory;
    const writeAmplification = await writeAmplificationOf(this.#store, this.#restoredBytes);
    return { store: directory, ...stats, writeAmplification, space: await space.look() };
  }

  async figures(): Promise<StoreFigures> {
    return storeFigures(this.#store, await this.#directory.reserve.disk(), this.#directory.space.report);
  }

  async files(): Promise<FileOperations> {
    const { openFiles } = await import('./local-files.js');
    const { directory } = this.#directory;
    this.#files ??= openFiles({ store: () => this.#store, source: this.#source, directory, clock: this.#clock });
    return this.#files.operations;
  }

  keys(): Promise<KeysResult> {
    return shownKeys(this.#store.format, this.#directory.keyring);
  }

  keyring(): Keyring {
    return this.#directory.keyring;
  }

  privateFiles(): Promise<PrivateFiles> {
    return this.#directory.privateFiles();
  }

  shares(): Promise<readonly ShareInfo[]> {
    return Promise.resolve().then(() => this.#shares.list());
  }

  async addShare({ force, ...share }: AddShareRequest): Promise<ShareInfo> {
    if (force !== true && !this.#shares.has(share)) await (await this.files()).checkDirectory(share).catch(needsForce);
    return await this.#shares.add(share);
  }

  removeShare(name: string): Promise<ShareInfo> {
    return this.#shares.remove(name);
  }

  space(): EngineSpace {
    return this.#directory.space;
  }

  heldMachines(): readonly HeldMachine[] {
    return heldMachines(this.#store);
  }

  acknowledge(machine: string, by: string): Promise<HeldMachine> {
    return acknowledge(this.#store, machine, by);
  }

  policies(): PolicyService {
    return this.#policies;
  }

  fleet(): Fleet {
    return this.#fleet;
  }

  planning(): Planning {
    return planningOf(() => this.#store);
  }

  alerts(): AlertStore {
    return this.#alerts();
  }

  uploads(): Uploads {
    return this.#uploads;
  }

  upkeep(): StoreUpkeep {
    return this.#upkeep;
  }

  objects(): ObjectAccess {
    return this.#objects;
  }

  shadowCopySource(): ShadowCopySource {
    return this.#source;
  }

  async close(): Promise<void> {
    await this.#pool?.close();
    await this.#files?.close();
    await this.#directory.close();
  }
}
