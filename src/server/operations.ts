import { isUmbraError, UmbraError } from '../common/errors.js';
import type { MountInfo } from '../protocol/server-api.js';
import type { MountEnd } from '../protocol/wire.js';
import { OWNER_ONLY } from './caller.js';
import { ALERT_OPERATIONS } from './alert-operations.js';
import { AGENT_OPERATIONS } from './agent-operations.js';
import { FILE_OPERATIONS } from './file-operations.js';
import { CHANGE_OPERATIONS } from './change-operations.js';
import { POLICY_OPERATIONS } from './policy-operations.js';
import { JOB_OPERATIONS } from './job-operations.js';
import { KEY_OPERATIONS } from './key-operations.js';
import { UPKEEP_OPERATIONS } from './upkeep-operations.js';
import type { ActiveMount, MountTable } from './mount-table.js';
import { named, operation, type Operation, type Prepared } from './operation.js';
import * as params from './request-params.js';
import * as answers from './answers/store-answers.js';
import { listOf } from '../common/shapes.js';

/** Every operation but those on the server itself (`control.ts`), one entry each. */
export const OPERATIONS: readonly Operation[] = [
  operation({
    method: 'GET',
    route: '/v1/shadow-copies',
    answer: 'json',
    summary: 'The shadow copies, of all machines or of one, in the order in which they were made',
    params: params.listParams,
    result: answers.shadowCopies,
    claim: () => ({ kind: 'list' }),
    what: named,
    run: ({ engine }, request) => engine.list(request.machine),
  }),
  operation({
    method: 'GET',
    route: '/v1/replicas',
    answer: 'json',
    summary: 'The replicas that are newer than the shadow copies of their machines, of all machines or of one',
    details:
      'A replica is replaced by the next replication, or shadow copy, of its machine; "replica" names it where a version is asked for.',
    params: params.listParams,
    result: answers.shadowCopies,
    claim: () => ({ kind: 'list' }),
    what: named,
    run: ({ engine }, request) => engine.replicas(request.machine),
  }),
  operation({
    method: 'POST',
    route: '/v1/replicas/keep',
    answer: 'json',
    summary: 'Make a shadow copy of the replica of a machine',
    details:
      'Its agent is not needed. The shadow copy has the name, the time and the consistency of the replica; if there is none that is newer ' +
      'than the newest shadow copy, that is the answer.',
    params: params.keepReplicaParams,
    result: answers.keptReplica,
    claim: () => ({ kind: 'replica' }),
    what: ({ machine }) => machine,
    run: ({ engine }, { machine }) => engine.keepReplica(machine),
  }),
  operation({
    method: 'GET',
    route: '/v1/stats',
    answer: 'json',
    summary: 'The figures of the store',
    details: 'They are counted: it takes longer, the larger the store is.',
    params: params.noParams,
    result: answers.stats,
    claim: () => ({ kind: 'stats' }),
    what: () => 'the store',
    run: async ({ engine, upkeep }) => {
      const [stats, scrub] = await Promise.all([engine.stats(), upkeep.figures()]);
      return { ...stats, ...(scrub && { scrub }) };
    },
  }),
  operation({
    method: 'POST',
    route: '/v1/backup',
    answer: 'stream',
    summary: 'Make a shadow copy of disk images',
    permission: OWNER_ONLY,
    params: params.backupParams,
    result: answers.backup,
    claim: (request) => ({ kind: 'backup', machine: request.machine }),
    what: named,
    run: async ({ engine }, request, context) => {
      const result = await engine.backup(request, context);
      context.ingested(result.volumes.reduce((sum, { newBytes }) => sum + newBytes, 0));
      return result;
    },
  }),
  operation({
    method: 'POST',
    route: '/v1/restore',
    answer: 'stream',
    summary: 'Write a shadow copy, or one volume of it, to files and devices',
    permission: OWNER_ONLY,
    params: params.restoreParams,
    result: answers.restore,
    claim: () => ({ kind: 'restore' }),
    what: (request) => `${named(request)} to ${request.to}`,
    run: ({ engine }, request, context) => engine.restore(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/export',
    answer: 'stream',
    summary: 'Write a volume into a new qcow2 file',
    permission: OWNER_ONLY,
    params: params.exportParams,
    result: answers.exported,
    claim: () => ({ kind: 'export' }),
    what: (request) => `${named(request)} to ${request.to}`,
    run: ({ engine }, request, context) => engine.export(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/diff',
    answer: 'stream',
    summary: 'What differs between two shadow copies',
    params: params.diffParams,
    result: answers.diff,
    claim: () => ({ kind: 'diff' }),
    what: (request) => `${request.machine}@${request.from} and ${request.toMachine}@${request.to}`,
    run: ({ engine }, request, context) => engine.diff(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/forget',
    answer: 'stream',
    summary: 'Delete shadow copies',
    details: 'What they alone take comes back at the next collection.',
    params: params.forgetParams,
    result: answers.forget,
    claim: () => ({ kind: 'forget' }),
    what: (request) => request.shadowCopies.map(named).join(' '),
    run: ({ engine, files }, request, context) => {
      // Who looked into it keeps its data from collection, for a while.
      const deleted = (machine: string, shadowCopy: string): void => {
        files.forget(machine, shadowCopy);
      };
      return engine.forget(request, { ...context, deleted });
    },
  }),
  operation({
    method: 'POST',
    route: '/v1/gc',
    answer: 'stream',
    summary: 'Give back the space of what no shadow copy needs',
    params: params.noParams,
    result: answers.gc,
    claim: () => ({ kind: 'gc' }),
    what: () => 'the store',
    run: ({ engine }, _params, context) => engine.gc(context),
  }),
  operation({
    method: 'POST',
    route: '/v1/verify',
    answer: 'stream',
    summary: 'Read everything, or what is named, and compare it with its digests',
    details: 'Damage that is found is a result, not an error.',
    params: params.verifyParams,
    result: answers.verify,
    claim: () => ({ kind: 'verify' }),
    what: named,
    run: ({ engine }, request, context) => engine.verify(request, context),
  }),
  operation({
    method: 'POST',
    route: '/v1/rebuild',
    answer: 'stream',
    summary: 'Make the index and the catalog again from the objects',
    details: 'Nothing else runs meanwhile, and nothing may be mounted.',
    params: params.noParams,
    result: answers.rebuild,
    claim: () => ({ kind: 'rebuild' }),
    what: () => 'the store',
    run: async ({ engine, files }, _params, context) => {
      // They look into shadow copies through a catalog that is made anew; so does a look that a mount left under way.
      files.close();
      return await engine.rebuild(context).finally(() => {
        files.close();
      });
    },
  }),
  ...FILE_OPERATIONS,
  ...AGENT_OPERATIONS,
  ...POLICY_OPERATIONS,
  ...CHANGE_OPERATIONS,
  ...JOB_OPERATIONS,
  ...ALERT_OPERATIONS,
  ...KEY_OPERATIONS,
  ...UPKEEP_OPERATIONS,
  operation({
    method: 'GET',
    route: '/v1/shares',
    answer: 'json',
    summary: 'The shares',
    params: params.noParams,
    result: listOf(answers.share),
    claim: () => ({ kind: 'share' }),
    what: () => 'the shares',
    run: ({ engine }) => engine.shares(),
  }),
  operation({
    method: 'POST',
    route: '/v1/shares',
    answer: 'json',
    summary: 'Share a directory of a machine',
    params: params.addShareParams,
    result: answers.share,
    claim: () => ({ kind: 'share' }),
    what: ({ name }) => name,
    run: ({ engine }, request) => engine.addShare(request),
  }),
  operation({
    method: 'DELETE',
    route: '/v1/shares',
    answer: 'json',
    summary: 'Remove a share',
    params: params.removeShareParams,
    result: answers.share,
    claim: () => ({ kind: 'share' }),
    what: ({ name }) => name,
    run: ({ engine }, { name }) => engine.removeShare(name),
  }),
  {
    method: 'POST',
    route: '/v1/mounts',
    answer: 'stream',
    permission: OWNER_ONLY,
    description: {
      summary: 'Mount the shadow copies, of all machines, of one, or a single one',
      details:
        'With "leased", the answer goes on after its result: a last line has "ended", and the mount ends with the connection.',
      params: params.mountParams,
      answer: { as: 'stream', result: answers.mount },
    },
    prepare: prepareMount,
  },
  operation({
    method: 'DELETE',
    route: '/v1/mounts',
    answer: 'json',
    summary: 'Unmount',
    permission: OWNER_ONLY,
    params: params.unmountParams,
    result: answers.mount,
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
