/*
 * Numbers of libvirt's remote protocol: src/rpc/virnetprotocol.x, src/rpc/virkeepaliveprotocol.x, src/remote/remote_protocol.x
 * and src/remote/qemu_protocol.x. libvirt never changes one that was released.
 */

/** Of which program a procedure is. All of them are at version 1. */
export const PROGRAM = { remote: 0x2000_8086, qemu: 0x2000_8087, keepAlive: 0x6b65_6570 } as const;
export const PROGRAM_VERSION = 1;

export const MESSAGE = { call: 0, reply: 1, event: 2 } as const;
export const STATUS = { ok: 0, error: 1 } as const;

/** Length, program, version, procedure, type, serial, status. The length counts itself. */
export const HEADER_BYTES = 28;
/** VIR_NET_MESSAGE_MAX and the length before it. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024 + 4;

export const KEEP_ALIVE = { ping: 1, pong: 2 } as const;

/** Procedures of the remote program. */
export const REMOTE = {
  connectOpen: 1,
  domainDefineXml: 11,
  domainGetXmlDesc: 14,
  domainLookupByName: 23,
  domainLookupByUuid: 24,
  domainResume: 28,
  domainSuspend: 34,
  authList: 66,
  authPolkit: 70,
  domainIsPersistent: 151,
  domainGetJobInfo: 163,
  domainAbortJob: 164,
  domainSnapshotCreateXml: 185,
  domainGetBlockInfo: 194,
  domainGetState: 212,
  domainBlockJobAbort: 237,
  domainGetBlockJobInfo: 238,
  connectListAllDomains: 273,
  domainBlockCommit: 290,
  domainFsfreeze: 335,
  domainFsthaw: 336,
  domainAgentSetResponseTimeout: 420,
  domainCheckpointCreateXml: 411,
  domainCheckpointGetXmlDesc: 412,
  domainListAllCheckpoints: 413,
  domainCheckpointDelete: 417,
  domainBackupBegin: 421,
  domainBackupGetXmlDesc: 422,
} as const;

/** Procedures of the QEMU program. */
export const QEMU = {
  monitorCommand: 1,
  agentCommand: 3,
  monitorEventRegister: 4,
  monitorEventDeregister: 5,
  monitorEvent: 6,
} as const;

export const AUTH = { none: 0, sasl: 1, polkit: 2 } as const;

/** virDomainState. */
export const DOMAIN_STATE = {
  none: 0,
  running: 1,
  blocked: 2,
  paused: 3,
  shutdown: 4,
  off: 5,
  crashed: 6,
  suspended: 7,
} as const;

/** Reasons of the state `paused` (virDomainPausedReason): somebody asked for it, or a disk had an error. */
export const PAUSED = { byUser: 1, byIoError: 5 } as const;

/** Types of a job (virDomainJobType) that runs: one whose end can be foreseen, and one whose can't. */
export const RUNNING_JOBS: readonly number[] = [1, 2];

/** Flags of virDomainGetXMLDesc: with passwords; as it will start the next time. */
export const XML_SECURE = 1;
export const XML_INACTIVE = 2;
/** Flags of virDomainSnapshotCreateXML: libvirt keeps no record of it; only disks; the files are there already; all disks or none. */
export const SNAPSHOT_OF_DISKS = 4 | 16 | 32 | 128;
/** Flag of virDomainBlockCommit: what the guest writes to. */
export const COMMIT_ACTIVE = 4;
/** Of virDomainBlockJobType: those that virDomainBlockCommit begins. */
export const MERGES: readonly number[] = [3, 4];
/** Flag of virDomainBlockJobAbort: the guest goes on with what was merged into. */
export const JOB_PIVOT = 2;
/** Flag of virDomainCheckpointGetXMLDesc: without the domain's own XML. */
export const CHECKPOINT_XML_NO_DOMAIN = 2;
/** Flag of virDomainListAllCheckpoints: parents before their children. */
export const CHECKPOINT_LIST_TOPOLOGICAL = 2;
/** Flag of virDomainCheckpointDelete: forget it, and leave the bitmaps. */
export const CHECKPOINT_DELETE_METADATA_ONLY = 2;
/** Flag of virDomainBackupBegin: scratch files are there already. */
export const BACKUP_REUSE_EXTERNAL = 1;
/** Timeout of virDomainAgentSetResponseTimeout: libvirt waits for the guest agent for ever, as it does by default. */
export const AGENT_WAIT_FOR_EVER = -2;
/** Flag of virDomainQemuMonitorCommand: the command is one for people. */
export const MONITOR_COMMAND_HMP = 1;

/** Limits of lists, as in remote_protocol.x. */
export const MAX_DOMAINS = 16_384;
export const MAX_CHECKPOINTS = 16_384;
export const MAX_AUTH_TYPES = 20;

/** Numbers of virErrorNumber (include/libvirt/virterror.h) that mean something to us. */
export const LIBVIRT_ERROR = {
  operationDenied: 29,
  noDomain: 42,
  authFailed: 45,
  operationInvalid: 55,
  argumentUnsupported: 74,
  authCancelled: 79,
  blockCopyActive: 83,
  agentUnresponsive: 86,
  accessDenied: 88,
  authUnavailable: 94,
  noDomainCheckpoint: 103,
  noDomainBackup: 104,
  checkpointInconsistent: 109,
} as const;
