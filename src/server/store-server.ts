import type { Server } from 'node:http';
import { FilesService } from '../../mount/files/files-service.js';
import { findDevices } from '../../mount/files/find-devices.js';
import type { Alerts } from '../alerts/alert.js';
import { messageOf, UmbraError } from '../common/errors.js';
import type { StatusResult, StopResult } from '../protocol/server-api.js';
import { VERSION } from '../protocol/version.js';
import type { PrivateFiles } from '../system/private-files.js';
import { Alerting } from './alerting.js';
import { knownStatus } from './known-status.js';
import { createHttpServer } from './http-server.js';
import { IdleTimer } from './idle.js';
import { Jobs } from './jobs.js';
import { checkStoreOwner, listenOnStore } from './listen.js';
import { Metrics, type Gauges } from './metrics.js';
import type { Services } from './operation.js';
import { orSay, Scheduling } from './scheduling.js';
import { RemotePort } from './remote-port.js';
import { createRequestHandler, type RequestHandler } from './request-handler.js';
import type { StoreServerOptions } from './store-server-options.js';
import { Upkeep } from './upkeep.js';
import { within } from './within.js';

export type { StoreServerOptions } from './store-server-options.js';

/** How long a job may take to end once it is told to, before the store is closed under it. */
const STOP_LIMIT_MS = 20_000;
/** How long clients may take to read the last of their answers. */
const DRAIN_LIMIT_MS = 1_000;

/** The server of one store: opens it, answers on its socket, and closes it again. */
export class StoreServer {
  /** Resolves when everything is closed and the last client is gone. */
  readonly ended: Promise<void>;
  readonly #options: StoreServerOptions;
  readonly #alerting: Alerting;
  readonly #jobs: Jobs;
  readonly #scheduling: Scheduling;
  readonly #upkeep: Upkeep;
  readonly #http: Server;
  readonly #handler: RequestHandler;
  readonly #port: RemotePort;
  readonly #stopping = new AbortController();
  readonly #startedMs: number;
  readonly #opening: Promise<Services>;
  #services: Services | undefined;
  #stop: Promise<StopResult> | undefined;

  private constructor(options: StoreServerOptions) {
    const { store, clock, log, idleExitMs } = options;
    this.#options = options;
    this.#startedMs = clock.now();
    const files = async (): Promise<PrivateFiles> => await (await this.#opening).engine.privateFiles();
    this.#port = new RemotePort({ store, files, clock, log });
    this.#alerting = new Alerting(options);
    this.#jobs = new Jobs(
      clock,
      () => this.#mounts().map((mount) => mount.mountPoint),
      (claim) => {
        this.#scheduling.operationEnded(claim);
        this.#alerting.operationEnded(claim);
        this.#upkeep.operationEnded(claim);
      },
    );
    const running = {
      services: () => this.#opening,
      jobs: this.#jobs,
      stopping: this.#stopping.signal,
      clock,
      log,
      metrics: new Metrics(clock),
      alerts: this.#alerting.book,
    };
    const onDamage = (): void => {
      this.#scheduling.changed();
    };
    this.#upkeep = new Upkeep({ ...running, scrubDays: options.scrubDays ?? 0, onDamage });
    this.#scheduling = new Scheduling({
      ...running,
      random: Math.random,
      damagedSince: (machine) => this.#upkeep.damagedSince(machine),
    });
    const onIdle = (): void => {
      log.info('idle');
      void this.stop();
    };
    const isNeeded = (): boolean => this.#services === undefined || this.#mounts().length > 0;
    this.#handler = createRequestHandler({
      ...running,
      idle: new IdleTimer(clock, idleExitMs ?? Infinity, isNeeded, onIdle),
      status: () => this.#status(),
      fleet: () => this.#whenOpen(() => this.#scheduling.fleet()),
      known: () => this.#whenOpen(() => knownStatus(this.#opening)),
      scrub: () => this.#whenOpen(() => this.#upkeep.figures()),
      stop: () => this.stop(),
      gauges: () => this.#gauges(),
      health: () => this.#health(),
      remote: () => this.#port.access(),
      urls: () => this.#port.urls(),
    });
    this.#http = createHttpServer(this.#handler);
    const httpEnded = new Promise((resolve) => {
      this.#http.once('close', resolve);
    });
    this.ended = httpEnded.then(async () => {
      await this.#port.server?.ended;
      // Where no client is left the socket is closed before the store is.
      await this.#stop?.catch((error: unknown) => {
        log.error('stopping failed', { error: messageOf(error) });
      });
    });
    this.#opening = this.#open();
  }

  /**
   * Resolves when the server answers requests.
   * @throws {UmbraError} what opening the store throws; NOT_OWNER, LISTEN_FAILED, MOUNT_POINT, MOUNT_FAILED
   */
  static async start(options: StoreServerOptions): Promise<StoreServer> {
    checkStoreOwner(options.store);
    const server = new StoreServer(options);
    try {
      server.#services = await server.#opening;
    } catch (error) {
      server.#http.close();
      server.#http.closeIdleConnections();
      throw error;
    }
    try {
      await server.#show();
    } catch (error) {
      await server.stop();
      await server.ended;
      throw error;
    }
    options.log.info('serving', { store: options.store, version: VERSION, pid: process.pid });
    return server;
  }

  /** Whom what goes wrong is told to. */
  get alerts(): Alerts {
    return this.#alerting.book;
  }

  /** Cancel what runs, unmount, close the store. Idempotent; resolves when the store's lock is given back. */
  stop(): Promise<StopResult> {
    this.#stop ??= this.#shutDown();
    return this.#stop;
  }

  async #open(): Promise<Services> {
    const { store, create, space, openEngine, openMounts, log, onLocked, ask } = this.#options;
    const engine = await openEngine({
      store,
      ...(create && { create }),
      ...(space && { space }),
      ...(ask && { ask }),
      onLocked: async () => {
        onLocked?.();
        await listenOnStore(this.#http, store);
      },
    });
    try {
      // It is the server that shows nothing then, and nobody may ask it for the list.
      await engine.shares().catch((error: unknown) => {
        log.warn('shares', { error: messageOf(error) });
      });
      const source = engine.shadowCopySource();
      const files = new FilesService({ source, find: findDevices, clock: this.#options.clock, log });
      const mounts = await openMounts({ store, source, files, log });
      await this.#alerting.open(() => engine.alerts());
      const { clock } = this.#options;
      const told = { alerts: this.#alerting.book, alerting: this.#alerting };
      const services = { engine, files, mounts, clock, scheduling: this.#scheduling, upkeep: this.#upkeep, ...told };
      if (this.#options.schedule === true) await orSay(this.#scheduling.prepare(services), log);
      return services;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Mount, and answer at the port, as far as that was asked for. */
  async #show(): Promise<void> {
    const { mount, listen, log, schedule } = this.#options;
    const { mounts } = await this.#opening;
    if (this.#options.scrubDays !== undefined) this.#upkeep.start();
    if (schedule === true) await orSay(this.#scheduling.start(), log);
    if (mount !== undefined) await mounts.mount({ ...mount, leased: false });
    if (listen !== undefined) await this.#port.listen(listen, this.#handler);
  }

  #health(): 'ok' | 'opening' | 'stopping' {
    if (this.#stop !== undefined) return 'stopping';
    return this.#services === undefined ? 'opening' : 'ok';
  }

  async #gauges(): Promise<Gauges> {
    const connections = this.#port.server?.connections;
    const engine = this.#services?.engine;
    // While it is rebuilt there are none.
    const store = await engine?.figures().catch(() => undefined);
    const watched = await this.#whenOpen(() => this.#scheduling.watched());
    const scheduling = this.#scheduling.figures();
    const scrub = await this.#whenOpen(() => this.#upkeep.figures());
    return {
      jobs: this.#jobs.list(),
      mounts: this.#mounts().length,
      ...(connections === undefined ? {} : { connections: { open: connections.count, refused: connections.refused } }),
      refusedTokens: await this.#port.refusedTokens(),
      agents: engine?.fleet().connections.count ?? 0,
      ...(store && { store }),
      ...(scheduling && { scheduling }),
      ...(watched && { watched }),
      ...(this.#health() === 'ok' && { alerts: this.#alerting.figures() }),
      ...(scrub && { scrub }),
    };
  }

  /** Nobody is kept waiting for a store that is opened, and none is asked that is closed. */
  async #whenOpen<T>(work: () => Promise<T | undefined>): Promise<T | undefined> {
    return this.#health() === 'ok' ? await work() : undefined;
  }

  async #shutDown(): Promise<StopResult> {
    const { log } = this.#options;
    const reason = new UmbraError('SERVER_STOPPING', 'the server is shutting down', { hint: 'Try again in a moment.' });
    const cancelledJobs = this.#jobs.list().length;
    const scheduled = Promise.all([this.#scheduling.stop(), this.#upkeep.stop()]);
    const jobsEnded = Promise.all([this.#jobs.stop(reason), scheduled]);
    const services = await this.#opening;
    services.engine.fleet().connections.close(reason);
    await services.engine.uploads().close(reason);
    if (!(await within(this.#options.clock, STOP_LIMIT_MS, jobsEnded)))
      log.error('jobs do not end', { jobs: this.#jobs.list().length });
    const mounted = services.mounts.list();
    this.#stopping.abort(reason);
    await services.mounts.close();
    const left = services.mounts.list();
    const unmounted = mounted.filter((mount) => !left.includes(mount));
    services.files.close();
    await this.#alerting.close();
    this.#http.close();
    await this.#port.close();
    try {
      await services.engine.close();
    } catch (error) {
      log.error('closing the store failed', { error: messageOf(error) });
    }
    log.info('stopped', { cancelledJobs, unmounted: unmounted.length, left: left.length });
    this.#http.closeIdleConnections();
    this.#port.server?.server.closeIdleConnections();
    this.#options.clock.after(DRAIN_LIMIT_MS, () => {
      this.#http.closeAllConnections();
      this.#port.server?.server.closeAllConnections();
    });
    return { pid: process.pid, cancelledJobs, unmounted, left };
  }

  #mounts(): StatusResult['mounts'] {
    return this.#services?.mounts.list() ?? [];
  }

  #status(): StatusResult {
    const https = this.#port.server;
    return {
      pid: process.pid,
      version: VERSION,
      store: this.#options.store,
      startedAt: new Date(this.#startedMs).toISOString(),
      background: this.#options.background === true,
      mounts: this.#mounts(),
      jobs: this.#jobs.list(),
      ...(this.#health() === 'ok' && { alerts: this.#alerting.summary() }),
      ...(https === undefined ? {} : { listening: https.address, urls: https.urls() }),
    };
  }
}
