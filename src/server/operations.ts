import type { FilesService } from '../../mount/files/files-service.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import type { MountInfo } from '../protocol/api.js';
import type { MountEnd } from '../protocol/wire.js';
import type { Claim } from './conflicts.js';
import type { Engine, JobContext } from './engine.js';
import type { ActiveMount, MountTable } from './mount-table.js';
import type { Validator } from './params.js';
import * as params from './request-params.js';

/** What operations work with. */
export interface Services {
  readonly engine: Engine;
  readonly mounts: MountTable;
  /** The files inside shadow copies. */
  readonly files: FilesService;
}

/** A request whose parameters were found good, ready to run. */
export interface Prepared {
  readonly claim: Claim;
  /** What it works on, for people. */
  readonly what: string;
  /** The result, as JSON. */
  readonly run: (services: Services, context: JobContext) => Promise<unknown>;
  /** For a leased mount: after the result was sent, hold on until the mount has ended. */
  readonly hold?: (services: Services, signal: AbortSignal) => Promise<MountEnd>;
}

export interface Operation {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly route: string;
  /** A stream of lines with progress instead of one JSON answer. */
  readonly long: boolean;
  /** @throws {UmbraError} BAD_ARGUMENT, BAD_NAME naming the field */
  readonly prepare: (params: unknown) => Prepared;
}

interface Definition<P> {
  readonly method: Operation['method'];
  readonly route: string;
  readonly long: boolean;
  readonly params: Validator<P>;
  readonly claim: (params: NoInfer<P>) => Claim;
  readonly what: (params: NoInfer<P>) => string;
  readonly run: (services: Services, params: NoInfer<P>, context: JobContext) => Promise<unknown>;
}

function operation<P>(definition: Definition<P>): Operation {
  const { method, route, long, params: validate, claim, what, run } = definition;
  return {
    method,
    route,
    long,
    prepare: (raw) => {
      const params = validate(raw, '');
      return {
        claim: claim(params),
        what: what(params),
        run: (services, context) => run(services, params, context),
      };
    },
  };
}

function named(params: { readonly machine?: string; readonly version?: string }): string {
  if (params.machine === undefined) return 'everything';
  return params.version === undefined ? params.machine : `${params.machine}@${params.version}`;
}

/** Every operation but those on the server itself (`control.ts`), one entry each. */
export const OPERATIONS: readonly Operation[] = [
  operation({
    method: 'GET',
    route: '/v1/shadow-copies',
    long: false,
    params: params.listParams,
    claim: () => ({ kind: 'list' }),
    what: named,
    run: ({ engine }, request) => engine.list(request.machine),
  }),
  operation({
    method: 'GET',
    route: '/v1/stats',
    long: false,
    params: params.noParams,
    claim: () => ({ kind: 'stats' }),
    what: () => 'the store',
    run: ({ engine }) => engine.stats(),
  }),
  operation({
    method: 'POST',
    route: '/v1/backup',
    long: true,
    params: params.backupParams,
    claim: (request) => ({ kind: 'backup', machine: request.machine }),
    what: named,
    run: ({ engine }, request, context) => engine.backup(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/restore',
    long: true,
    params: params.restoreParams,
    claim: () => ({ kind: 'restore' }),
    what: (request) => `${named(request)} to ${request.to}`,
    run: ({ engine }, request, context) => engine.restore(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/export',
    long: true,
    params: params.exportParams,
    claim: () => ({ kind: 'export' }),
    what: (request) => `${named(request)} to ${request.to}`,
    run: ({ engine }, request, context) => engine.export(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/diff',
    long: true,
    params: params.diffParams,
    claim: () => ({ kind: 'diff' }),
    what: (request) => `${request.machine}@${request.from} and ${request.toMachine}@${request.to}`,
    run: ({ engine }, request, context) => engine.diff(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/forget',
    long: true,
    params: params.forgetParams,
    claim: () => ({ kind: 'forget' }),
    what: (request) => request.shadowCopies.map(named).join(' '),
    run: ({ engine }, request, context) => engine.forget(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/gc',
    long: true,
    params: params.noParams,
    claim: () => ({ kind: 'gc' }),
    what: () => 'the store',
    run: ({ engine }, _params, context) => engine.gc(context),
  }),
  operation({
    method: 'POST',
    route: '/v1/verify',
    long: true,
    params: params.verifyParams,
    claim: () => ({ kind: 'verify' }),
    what: named,
    run: ({ engine }, request, context) => engine.verify(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/rebuild',
    long: true,
    params: params.noParams,
    claim: () => ({ kind: 'rebuild' }),
    what: () => 'the store',
    run: ({ engine }, _params, context) => engine.rebuild(context),
  }),
  { method: 'POST', route: '/v1/mounts', long: true, prepare: prepareMount },
  operation({
    method: 'DELETE',
    route: '/v1/mounts',
    long: false,
    params: params.unmountParams,
    claim: () => ({ kind: 'unmount' }),
    what: (request) => request.mountPoint,
    run: async ({ mounts }, request): Promise<MountInfo> => {
      const info = mounts.list().find((mount) => mount.mountPoint === request.mountPoint);
      await mounts.unmount(request.mountPoint, { force: request.force });
      return info ?? { mountPoint: request.mountPoint };
    },
  }),
];

function prepareMount(raw: unknown): Prepared {
  const request = params.mountParams(raw, '');
  let active: ActiveMount | undefined;
  return {
    claim: { kind: 'mount' },
    what: `${named(request)} at ${request.mountPoint}`,
    run: async ({ mounts }, { signal }) => {
      active = await mounts.mount(request);
      if (!signal.aborted) return active.info;
      await mounts.unmount(request.mountPoint, { force: true });
      throw new UmbraError('CANCELLED', 'cancelled');
    },
    ...(request.leased ? { hold: ({ mounts }, signal) => holdLease(mounts, active, signal) } : {}),
  };
}

/** Keep a leased mount until it is unmounted, its client is gone, or the server stops. */
async function holdLease(mounts: MountTable, active: ActiveMount | undefined, signal: AbortSignal): Promise<MountEnd> {
  if (active === undefined) return 'unmounted';
  const aborted = new Promise<'aborted'>((resolve) => {
    if (signal.aborted) resolve('aborted');
    signal.addEventListener('abort', () => {
      resolve('aborted');
    });
  });
  const first = await Promise.race([active.ended, aborted]);
  if (first !== 'aborted') return 'unmounted';
  if (isUmbraError(signal.reason, 'SERVER_STOPPING')) {
    // The server unmounts everything itself.
    await active.ended;
    return 'stopping';
  }
  await mounts.unmount(active.info.mountPoint, { force: true });
  return 'unmounted';
}
