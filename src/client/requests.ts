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
  KeepReplicaRequest,
  KeepReplicaResult,
  RebuildResult,
  RestoreRequest,
  RestoreResult,
  ShadowCopyInfo,
  StatsResult,
  VerifyRequest,
  VerifyResult,
} from '../protocol/api.js';
import type { AcknowledgeRequest, AcknowledgeResult, HeldMachine } from '../protocol/changes-api.js';
import type { MountInfo, MountRequest, StatusResult, StopResult, UnmountRequest } from '../protocol/server-api.js';
import type {
  AgentBackupAnswer,
  AgentBackupRequest,
  MachineInfo,
  MachinesRequest,
  MachinesResult,
  ProtectRequest,
  UnprotectAnswer,
  UnprotectRequest,
} from '../protocol/agents-api.js';
import type { AlertsRequest, AlertsResult, TestAlertsRequest, TestAlertsResult } from '../protocol/alerts-api.js';
import type { JobDetails, JobRequest, JobsRequest, JobsResult, ScheduleResult } from '../protocol/jobs-api.js';
import type { AddKeyRequest, ChangeKeyRequest, KeyInfo, KeysResult, RemoveKeyRequest } from '../protocol/keys-api.js';
import type { AddShareRequest, RemoveShareRequest, ShareInfo } from '../protocol/shares-api.js';
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
import type {
  ApplyPoliciesRequest,
  CheckPoliciesRequest,
  PoliciesMeaning,
  PoliciesResult,
  PreviewPoliciesRequest,
  PrunedShadowCopy,
  PruneRequest,
  PruneResult,
} from '../protocol/policies-api.js';
import type { DamageRequest, DamageResult, ScrubResult } from '../protocol/upkeep-api.js';
import type { Message, Request } from '../transport/message.js';
import type {
  AddTokenRequest,
  AgentInfo,
  CertificateAnswer,
  CertificateRequest,
  Invitation,
  InviteRequest,
  NewToken,
  RemoveTokenRequest,
  RevokeAgentRequest,
  RevokedAgent,
  TokenInfo,
} from '../protocol/access-api.js';

/** A request whose result comes with any number of items before it. */
export interface ItemsRequest<Item, Result> extends Request<Result> {
  /** Only for the compiler; never there. */
  readonly item?: Item;
}

/** Every request there is. Client and server speak the same protocol, so the types of answers are known. */
export const requests = {
  backup: (body: BackupRequest): Request<BackupResult> => ({ method: 'POST', path: '/v1/backup', body }),
  list: (machine: string | undefined): Request<readonly ShadowCopyInfo[]> => ({
    method: 'GET',
    path: `/v1/shadow-copies${machine === undefined ? '' : `?machine=${encodeURIComponent(machine)}`}`,
  }),
  replicas: (machine: string | undefined): Request<readonly ShadowCopyInfo[]> => ({
    method: 'GET',
    path: `/v1/replicas${machine === undefined ? '' : `?machine=${encodeURIComponent(machine)}`}`,
  }),
  keepReplica: (body: KeepReplicaRequest): Request<KeepReplicaResult> => ({
    method: 'POST',
    path: '/v1/replicas/keep',
    body,
  }),
  restore: (body: RestoreRequest): Request<RestoreResult> => ({ method: 'POST', path: '/v1/restore', body }),
  export: (body: ExportRequest): Request<ExportResult> => ({ method: 'POST', path: '/v1/export', body }),
  diff: (body: DiffRequest): Request<DiffResult> => ({ method: 'POST', path: '/v1/diff', body }),
  forget: (body: ForgetRequest): Request<ForgetResult> => ({ method: 'POST', path: '/v1/forget', body }),
  policies: (): Request<PoliciesResult> => ({ method: 'GET', path: '/v1/policies' }),
  checkPolicies: (body: CheckPoliciesRequest): Request<PoliciesMeaning> => ({
    method: 'POST',
    path: '/v1/policies/check',
    body,
  }),
  applyPolicies: (body: ApplyPoliciesRequest): Request<PoliciesResult> => ({
    method: 'POST',
    path: '/v1/policies',
    body,
  }),
  previewPolicies: (body: PreviewPoliciesRequest): ItemsRequest<PrunedShadowCopy, PruneResult> => ({
    method: 'POST',
    path: '/v1/policies/preview',
    body,
  }),
  prune: (body: PruneRequest): ItemsRequest<PrunedShadowCopy, PruneResult> => ({
    method: 'POST',
    path: '/v1/prune',
    body,
  }),
  heldMachines: (): Request<readonly HeldMachine[]> => ({ method: 'GET', path: '/v1/held-machines' }),
  acknowledge: (body: AcknowledgeRequest): Request<AcknowledgeResult> => ({
    method: 'POST',
    path: '/v1/acknowledge',
    body,
  }),
  gc: (): Request<GcResult> => ({ method: 'POST', path: '/v1/gc' }),
  verify: (body: VerifyRequest): Request<VerifyResult> => ({ method: 'POST', path: '/v1/verify', body }),
  rebuild: (): Request<RebuildResult> => ({ method: 'POST', path: '/v1/rebuild' }),
  scrub: (): Request<ScrubResult> => ({ method: 'GET', path: '/v1/scrub' }),
  scrubNow: (): Request<ScrubResult> => ({ method: 'POST', path: '/v1/scrub' }),
  damage: (body: DamageRequest): Request<DamageResult> => ({ method: 'POST', path: '/v1/damage', body }),
  stats: (): Request<StatsResult> => ({ method: 'GET', path: '/v1/stats' }),
  listFiles: (body: ListFilesRequest): ItemsRequest<ListedFile, ListFilesResult> => files('list', body),
  readFile: ({ machine, version, path }: ReadFileRequest): Message => ({
    method: 'GET',
    path: `/v1/files/content?${new URLSearchParams({ machine, version, path }).toString()}`,
  }),
  copyFiles: (body: CopyFilesRequest): Request<CopyFilesResult> => files('copy', body),
  fileHistory: (body: FileHistoryRequest): Request<FileHistoryResult> => files('history', body),
  findFiles: (body: FindFilesRequest): ItemsRequest<FoundFile, FindFilesResult> => files('find', body),
  diffFiles: (body: DiffFilesRequest): ItemsRequest<FileDifference, DiffFilesResult> => files('diff', body),
  keys: (): Request<KeysResult> => ({ method: 'GET', path: '/v1/keys' }),
  addKey: (body: AddKeyRequest): Request<KeyInfo> => ({ method: 'POST', path: '/v1/keys', body }),
  changeKey: (body: ChangeKeyRequest): Request<KeyInfo> => ({ method: 'POST', path: '/v1/keys/change', body }),
  removeKey: (body: RemoveKeyRequest): Request<KeysResult> => ({ method: 'DELETE', path: '/v1/keys', body }),
  shares: (): Request<readonly ShareInfo[]> => ({ method: 'GET', path: '/v1/shares' }),
  addShare: (body: AddShareRequest): Request<ShareInfo> => ({ method: 'POST', path: '/v1/shares', body }),
  removeShare: (body: RemoveShareRequest): Request<ShareInfo> => ({ method: 'DELETE', path: '/v1/shares', body }),
  machines: (body: MachinesRequest): Request<MachinesResult> => ({ method: 'POST', path: '/v1/machines/list', body }),
  protect: (body: ProtectRequest): Request<MachineInfo> => ({ method: 'POST', path: '/v1/machines/protect', body }),
  unprotect: (body: UnprotectRequest): Request<UnprotectAnswer> => ({
    method: 'POST',
    path: '/v1/machines/unprotect',
    body,
  }),
  backupByAgent: (body: AgentBackupRequest): Request<AgentBackupAnswer> => ({
    method: 'POST',
    path: '/v1/machines/backup',
    body,
  }),
  jobs: (body: JobsRequest): Request<JobsResult> => ({ method: 'POST', path: '/v1/jobs/list', body }),
  job: (body: JobRequest): Request<JobDetails> => ({ method: 'POST', path: '/v1/jobs/show', body }),
  cancelJob: (body: JobRequest): Request<JobDetails> => ({ method: 'POST', path: '/v1/jobs/cancel', body }),
  schedule: (): Request<ScheduleResult> => ({ method: 'GET', path: '/v1/schedule' }),
  previewSchedule: (body: CheckPoliciesRequest): Request<ScheduleResult> => ({
    method: 'POST',
    path: '/v1/schedule/preview',
    body,
  }),
  alerts: (body: AlertsRequest): Request<AlertsResult> => ({ method: 'POST', path: '/v1/alerts/list', body }),
  testAlerts: (body: TestAlertsRequest): Request<TestAlertsResult> => ({
    method: 'POST',
    path: '/v1/alerts/test',
    body,
  }),
  mount: (body: MountRequest): Request<MountInfo> => ({ method: 'POST', path: '/v1/mounts', body }),
  unmount: (body: UnmountRequest): Request<MountInfo> => ({ method: 'DELETE', path: '/v1/mounts', body }),
  tokens: (): Request<readonly TokenInfo[]> => ({ method: 'GET', path: '/v1/tokens' }),
  addToken: (body: AddTokenRequest): Request<NewToken> => ({ method: 'POST', path: '/v1/tokens', body }),
  removeToken: (body: RemoveTokenRequest): Request<TokenInfo> => ({ method: 'DELETE', path: '/v1/tokens', body }),
  login: (body: CertificateRequest): Request<CertificateAnswer> => ({ method: 'POST', path: '/v1/login', body }),
  logout: (): Request<{ readonly name: string }> => ({ method: 'POST', path: '/v1/logout' }),
  agents: (): Request<readonly AgentInfo[]> => ({ method: 'GET', path: '/v1/agents' }),
  inviteAgent: (body: InviteRequest): Request<Invitation> => ({ method: 'POST', path: '/v1/agents/invite', body }),
  revokeAgent: (body: RevokeAgentRequest): Request<RevokedAgent> => ({ method: 'DELETE', path: '/v1/agents', body }),
  status: (): Request<StatusResult> => ({ method: 'GET', path: '/v1/status' }),
  stop: (): Request<StopResult> => ({ method: 'POST', path: '/v1/stop' }),
  stopIdle: (): Request<StopResult> => ({ method: 'POST', path: '/v1/stop', body: { whenIdle: true } }),
} as const;

function files(operation: string, body: unknown): Message {
  return { method: 'POST', path: `/v1/files/${operation}`, body };
}
