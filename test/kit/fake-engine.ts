import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ShadowCopySource } from '../../mount/source.js';
import { systemClock } from '../../src/common/clock.js';
import { UmbraError } from '../../src/common/errors.js';
import { storeExists } from '../../src/common/store-exists.js';
import { alertStoreOf, type AlertStore } from '../../src/alerts/alert-store.js';
import { Fleet } from '../../src/agents/fleet.js';
import { Uploads } from '../../src/ingest/uploads.js';
import { DEFAULT_POLICY } from '../../src/policies/default-policy.js';
import { storedJobs } from '../../src/scheduler/job-store.js';
import { AlertRecords } from '../../src/store/alert-records.js';
import { JobRecords } from '../../src/store/job-records.js';
import { openMemoryKv } from '../../src/store/memory-kv.js';
import { Machines } from '../../src/store/machines.js';
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
} from '../../src/protocol/api.js';
import type { KeyInfo, KeysResult } from '../../src/protocol/keys-api.js';
import type { NewKey } from '../../src/store/store-keyring.js';
import type { HeldMachine } from '../../src/protocol/changes-api.js';
import type { AddShareRequest, ShareInfo } from '../../src/protocol/shares-api.js';
import type { SpaceReport } from '../../src/store/space-watch.js';
import type { StoreFigures } from '../../src/store/figures.js';
import type { FileOperations } from '../../src/files/file-operations.js';
import type { Keyring, Engine, OpenEngine } from '../../src/server/engine.js';
import type { JobContext } from '../../src/server/job-context.js';
import { ObjectAccess } from '../../src/server/object-access.js';
import { PolicyService } from '../../src/server/policy-service.js';
import type { StoreUpkeep } from '../../src/server/store-upkeep.js';
import { plainFiles, type PrivateFiles } from '../../src/system/private-files.js';
import { fakeFiles } from './fake-files.js';
import { fakeUpkeep } from './fake-upkeep.js';

const VERSION = '2026-11-22T10-15-00Z';
const GIB = 1024 ** 3;

const SPACE: SpaceReport = {
  state: 'ok',
  sizeBytes: 12 * GIB,
  freeBytes: 3 * GIB,
  reserveBytes: 4096,
  freeFiles: 9,
  files: 10,
  warnBytes: 1.5 * GIB,
  stopBytes: GIB / 8,
  resumeBytes: GIB / 4,
  fullInDays: 12.5,
};

const HELD: HeldMachine = {
  machine: 'web1',
  shadowCopy: VERSION,
  time: '2026-11-22T10:15:00.000Z',
  kind: 'incompressible',
  bytes: 5 * GIB,
  usualBytes: GIB / 8,
  mostBytes: 2 * GIB,
  volume: 'vdb',
  heldShadowCopies: 7,
};

/**
 * Opens a pretended store: a directory with a file `format`, a lock that dies with the process,
 * and canned answers. Machines called `slow…` take until they are cancelled, `broken` is a defect, `bad` is damaged.
 */
export const openFakeEngine: OpenEngine = async ({ store, create, onLocked }) => {
  const format = join(store, 'format');
  if (existsSync(format)) {
    if (create?.mode === 'must') throw storeExists(store);
    if (readFileSync(format, 'utf8') !== 'fake') throw new UmbraError('STORE_FOREIGN', `${store} is not a store`);
  } else {
    if (create === undefined) throw new UmbraError('STORE_NOT_FOUND', `there is no store at ${store}`);
    mkdirSync(store, { recursive: true, mode: 0o700 });
  }
  const lock = await takeLock(store);
  try {
    if (!existsSync(format)) writeFileSync(format, 'fake');
    await onLocked?.();
    if (existsSync(join(store, 'fail-late'))) throw new UmbraError('STORE_FAILED', 'the disk is broken');
    if (existsSync(join(store, 'open-slowly'))) await sleep(300);
  } catch (error) {
    lock.close();
    throw error;
  }
  return new FakeEngine(store, lock);
};

/** What is behind it is for tests of the real engine. */
function noStore(): never {
  throw new UmbraError('INTERNAL', 'a pretended store has no content');
}

function takeLock(store: string): Promise<Server> {
  const name = createHash('sha256').update(store).digest('hex').slice(0, 40);
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', () => {
      reject(new UmbraError('STORE_IN_USE', `the store ${store} is in use by process 1`));
    });
    // An abstract address: the kernel drops it with the process.
    server.listen(`\0umbra-fake-${name}`, () => {
      server.unref();
      resolve(server);
    });
  });
}

export class FakeEngine implements Engine {
  readonly #shares: ShareInfo[] = [];
  readonly #keys: KeyInfo[] = [{ id: 'k1', kind: 'key', createdMs: 0, isUsed: true }];
  readonly #store: string;
  readonly #lock: Server | undefined;
  readonly #alerts: () => AlertStore;
  #upkeep: StoreUpkeep | undefined;
  closed = 0;
  /** What was asked for, newest last. */
  readonly calls: string[] = [];

  constructor(store: string, lock?: Server) {
    this.#store = store;
    this.#lock = lock;
    const records = new AlertRecords(openMemoryKv());
    this.#alerts = alertStoreOf(() => records);
  }

  async backup(request: BackupRequest, context: JobContext): Promise<BackupResult> {
    this.calls.push(`backup ${request.machine}`);
    await this.#work(request.machine, context);
    const path = join(this.#store, 'machines');
    writeFileSync(path, `${request.machine}\n`, { flag: 'a' });
    const volumes = request.images.map(({ name }, index) => ({
      name: name ?? `vd${String.fromCharCode(97 + index)}`,
      sizeBytes: 2 * GIB,
      dataBytes: GIB,
      changedBytes: 4096,
      newChunks: 1234,
      newBytes: 8192,
      storedBytes: 4096,
    }));
    return { machine: request.machine, shadowCopy: VERSION, volumes, seconds: 1.5 };
  }

  list(machine: string | undefined): Promise<readonly ShadowCopyInfo[]> {
    this.calls.push(`list ${machine ?? ''}`);
    const path = join(this.#store, 'machines');
    const machines = existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
    if (machine !== undefined && !machines.includes(machine)) {
      throw new UmbraError('NOT_FOUND', `there is no machine ${machine}`);
    }
    return Promise.resolve(
      machines
        .filter((name) => machine === undefined || name === machine)
        .map((name) => ({
          machine: name,
          shadowCopy: VERSION,
          time: '2026-11-22T10:15:00.000Z',
          consistency: 'offline' as const,
          tracker: 'scan',
          pauseMs: 0,
          volumes: [{ name: 'vda', sizeBytes: 2 * GIB, root: '0'.repeat(64) }],
        })),
    );
  }

  /** A machine called `old` is that of a server that knows of no replicas. */
  replicas(machine: string | undefined): Promise<readonly ShadowCopyInfo[]> {
    if (machine === 'old') throw new UmbraError('NOT_FOUND', 'there is nothing at GET /v1/replicas');
    if (machine === 'dead') throw new UmbraError('STORE_FAILED', 'the disk is broken');
    return Promise.resolve([]);
  }

  async keepReplica(machine: string): Promise<KeepReplicaResult> {
    const [shadowCopy] = await this.list(machine);
    if (shadowCopy === undefined) throw new UmbraError('NOT_FOUND', `there is no machine ${machine}`);
    return { shadowCopy, isNew: true };
  }

  async restore({ machine, volume, to }: RestoreRequest, context: JobContext): Promise<RestoreResult> {
    await this.#work(machine, context);
    const result = {
      name: volume ?? 'vda',
      to: volume === undefined ? join(to, 'vda.raw') : to,
      sizeBytes: 2 * GIB,
      differential: volume !== undefined,
      comparedBytes: GIB,
      writtenBytes: 8192,
      writtenBlocks: 2,
    };
    const config = volume === undefined ? [join(to, 'config', 'vm.xml')] : [];
    return { machine, shadowCopy: VERSION, volumes: [result], config, seconds: 2 };
  }

  async export({ machine, volume, to }: ExportRequest, context: JobContext): Promise<ExportResult> {
    await this.#work(machine, context);
    return { machine, shadowCopy: VERSION, volume, to, sizeBytes: 2 * GIB, fileBytes: GIB, seconds: 3 };
  }

  async diff({ machine, from, toMachine, to, exact }: DiffRequest, context: JobContext): Promise<DiffResult> {
    await this.#work(machine, context);
    return {
      from: `${machine}@${from}`,
      to: `${toMachine}@${to}`,
      exact,
      volumes: [
        {
          name: 'vda',
          change: 'changed',
          fromBytes: GIB,
          toBytes: 2 * GIB,
          changedBytes: 25 * 4096,
          ranges: Array.from({ length: 25 }, (_, index) => ({ offset: index * 8192, length: 4096 })),
        },
        { name: 'vdb', change: 'same', fromBytes: GIB, toBytes: GIB, changedBytes: 0, ranges: [] },
        { name: 'vdc', change: 'added', toBytes: GIB, changedBytes: GIB, ranges: [{ offset: 0, length: GIB }] },
        { name: 'vdd', change: 'removed', fromBytes: GIB, changedBytes: GIB, ranges: [] },
      ],
    };
  }

  forget({ shadowCopies, dryRun }: ForgetRequest): Promise<ForgetResult> {
    return Promise.resolve({
      dryRun,
      forgotten: shadowCopies.map(({ machine }) => ({ machine, shadowCopy: VERSION })),
    });
  }

  async gc(context: JobContext): Promise<GcResult> {
    await this.#work(existsSync(join(this.#store, 'gc-slowly')) ? 'slow' : '', context);
    return { objects: 1000, deletedObjects: 10, deletedBytes: GIB, freedBytes: GIB, seconds: 0.5 };
  }

  async verify({ machine }: VerifyRequest, context: JobContext): Promise<VerifyResult> {
    await this.#work(machine ?? '', context);
    const checked = { checkedObjects: 1000, checkedBytes: GIB, seconds: 1 };
    if (machine !== 'bad') return { ...checked, damagedObjects: [], damaged: [] };
    const object = 'ab'.repeat(32);
    return {
      ...checked,
      damagedObjects: [{ object, kind: 'chunk', reason: 'its checksum is wrong' }],
      damaged: [{ machine, shadowCopy: VERSION, volume: 'vda', offset: 4096, length: 8192, object, kind: 'chunk' }],
      advice: 'Back up bad again.',
    };
  }

  async rebuild(context: JobContext): Promise<RebuildResult> {
    await this.#work(existsSync(join(this.#store, 'rebuild-slowly')) ? 'slow' : '', context);
    return { objects: 1000, damagedObjects: 1, lostBlocks: 3, shadowCopies: 5, stayedDeleted: 2, seconds: 1 };
  }

  keys(): Promise<KeysResult> {
    return Promise.resolve({
      cipher: 'aes-256-gcm',
      seed: '0123456789abcdef',
      keys: [...this.#keys, { id: 'bad', kind: 'damaged', isUsed: false }],
    });
  }

  privateFiles(): Promise<PrivateFiles> {
    return Promise.resolve(plainFiles);
  }

  keyring(): Keyring {
    const first = this.#keys[0]?.id;
    const add = ({ secret, label }: NewKey): Promise<KeyInfo> => {
      const kind = secret.source === 'key-file' ? 'key' : 'passphrase';
      const id = `k${this.#keys.length + 1}`;
      const key: KeyInfo = { id, kind, createdMs: 0, isUsed: false, ...(label === undefined ? {} : { label }) };
      this.#keys.push(key);
      return Promise.resolve(key);
    };
    const remove = (id: string): Promise<void> => {
      const at = this.#keys.findIndex((key) => key.id === id);
      if (at < 0) return Promise.reject(new UmbraError('NOT_FOUND', `the store has no key "${id}"`));
      this.#keys.splice(at, 1);
      return Promise.resolve();
    };
    return {
      add,
      remove,
      change: async (key, id) => {
        await remove(id ?? first ?? '');
        return add(key);
      },
    };
  }

  shares(): Promise<readonly ShareInfo[]> {
    return Promise.resolve(this.#shares);
  }

  addShare({ force, ...share }: AddShareRequest): Promise<ShareInfo> {
    if (share.path === 'vda1/none' && force !== true)
      return Promise.reject(new UmbraError('NOT_FOUND', `there is no /${share.path}`, { hint: 'Give --force.' }));
    this.#shares.push(share);
    return Promise.resolve(share);
  }

  removeShare(name: string): Promise<ShareInfo> {
    const [share] = this.#shares.splice(
      this.#shares.findIndex((known) => known.name === name),
      1,
    );
    return share === undefined
      ? Promise.reject(new UmbraError('NOT_FOUND', `there is no share "${name}"`))
      : Promise.resolve(share);
  }

  upkeep(): StoreUpkeep {
    this.#upkeep ??= fakeUpkeep();
    return this.#upkeep;
  }

  stats(): Promise<StatsResult> {
    return Promise.resolve({
      store: this.#store,
      format: 2,
      machines: 2,
      shadowCopies: 5,
      replicas: 1,
      replicaBytes: GIB,
      volumes: 6,
      logicalBytes: 12 * GIB,
      dataBytes: 6 * GIB,
      uniqueBytes: 3 * GIB,
      storedBytes: GIB,
      diskBytes: GIB,
      chunks: 12345,
      nodes: 67,
      damagedObjects: 0,
      writeAmplification: null,
      space: SPACE,
    });
  }

  figures(): Promise<StoreFigures> {
    if (existsSync(join(this.#store, 'no-figures'))) return Promise.reject(new UmbraError('STORE_IN_USE', 'rebuilt'));
    return Promise.resolve({
      machines: [{ machine: 'web1', shadowCopies: 3, newestMs: Date.parse('2026-11-22T10:15:00Z') }],
      damagedObjects: 2,
      disk: { sizeBytes: 12 * GIB, freeBytes: GIB, reserveBytes: 4096, freeFiles: 9, files: 10 },
      space: SPACE,
    });
  }

  files(): Promise<FileOperations> {
    return Promise.resolve(fakeFiles);
  }

  space(): ReturnType<Engine['space']> {
    return {
      report: existsSync(join(this.#store, 'space')) ? SPACE : undefined,
      assertRoom: () => Promise.resolve(),
      onLook: (listener) => {
        listener(SPACE);
      },
    };
  }

  heldMachines(): readonly HeldMachine[] {
    return existsSync(join(this.#store, 'held')) ? [HELD] : [];
  }

  acknowledge(machine: string, by: string): Promise<HeldMachine> {
    this.calls.push(`acknowledge ${machine} by ${by}`);
    return Promise.resolve({ ...HELD, machine });
  }

  policies(): PolicyService {
    return new PolicyService({ store: noStore, clock: systemClock, forget: () => Promise.resolve(true) });
  }

  fleet(): Fleet {
    return new Fleet({
      store: noStore,
      machines: new Machines(noStore),
      clock: systemClock,
      giveUp: () => Promise.resolve(),
    });
  }

  planning(): ReturnType<Engine['planning']> {
    const records = new JobRecords(openMemoryKv());
    return {
      machines: () => [],
      latest: () => undefined,
      upToDate: () => undefined,
      endedReplicas: () => 0,
      jobs: storedJobs(() => records),
      policyOf: () => DEFAULT_POLICY,
      policyNameOf: () => 'standard (default)',
      limitsOf: () => ({}),
    };
  }

  alerts(): AlertStore {
    return this.#alerts();
  }

  uploads(): Uploads {
    return new Uploads({ store: noStore, pool: noStore, clock: systemClock });
  }

  objects(): ObjectAccess {
    return new ObjectAccess({ store: noStore, machines: new Machines(noStore) });
  }

  shadowCopySource(): ShadowCopySource {
    return {
      machines: () => Promise.resolve([]),
      shadowCopies: () => Promise.resolve([]),
      open: (machine) => Promise.reject(new UmbraError('NOT_FOUND', `there is no machine ${machine}`)),
    };
  }

  async close(): Promise<void> {
    this.closed += 1;
    await new Promise<void>((resolve) => {
      if (this.#lock === undefined) resolve();
      else
        this.#lock.close(() => {
          resolve();
        });
    });
  }

  async #work(machine: string, { signal, progress }: JobContext): Promise<void> {
    if (machine === 'broken') throw new TypeError('undefined is not a chunk');
    for (let step = 0; machine.startsWith('slow') || step < 3; step += 1) {
      progress({ what: `reading ${machine}`, doneBytes: step * 1024 * 1024, totalBytes: GIB });
      await sleep(5, undefined, { signal });
    }
  }
}
