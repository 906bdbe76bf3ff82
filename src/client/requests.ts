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
  MountInfo,
  MountRequest,
  RebuildResult,
  RestoreRequest,
  RestoreResult,
  ShadowCopyInfo,
  StatsResult,
  StatusResult,
  StopResult,
  UnmountRequest,
  VerifyRequest,
  VerifyResult,
} from '../protocol/api.js';
import type { Message } from './send.js';

/** A message to the server that is answered with a `Result`. */
export interface Request<Result> extends Message {
  /** Only for the compiler; never there. */
  readonly result?: Result;
}

/** Every request there is. Client and server speak the same protocol, so the types of answers are known. */
export const requests = {
  backup: (body: BackupRequest): Request<BackupResult> => ({ method: 'POST', path: '/v1/backup', body }),
  list: (machine: string | undefined): Request<readonly ShadowCopyInfo[]> => ({
    method: 'GET',
    path: `/v1/shadow-copies${machine === undefined ? '' : `?machine=${encodeURIComponent(machine)}`}`,
  }),
  restore: (body: RestoreRequest): Request<RestoreResult> => ({ method: 'POST', path: '/v1/restore', body }),
  export: (body: ExportRequest): Request<ExportResult> => ({ method: 'POST', path: '/v1/export', body }),
  diff: (body: DiffRequest): Request<DiffResult> => ({ method: 'POST', path: '/v1/diff', body }),
  forget: (body: ForgetRequest): Request<ForgetResult> => ({ method: 'POST', path: '/v1/forget', body }),
  gc: (): Request<GcResult> => ({ method: 'POST', path: '/v1/gc' }),
  verify: (body: VerifyRequest): Request<VerifyResult> => ({ method: 'POST', path: '/v1/verify', body }),
  rebuild: (): Request<RebuildResult> => ({ method: 'POST', path: '/v1/rebuild' }),
  stats: (): Request<StatsResult> => ({ method: 'GET', path: '/v1/stats' }),
  mount: (body: MountRequest): Request<MountInfo> => ({ method: 'POST', path: '/v1/mounts', body }),
  unmount: (body: UnmountRequest): Request<MountInfo> => ({ method: 'DELETE', path: '/v1/mounts', body }),
  status: (): Request<StatusResult> => ({ method: 'GET', path: '/v1/status' }),
  stop: (): Request<StopResult> => ({ method: 'POST', path: '/v1/stop' }),
} as const;
