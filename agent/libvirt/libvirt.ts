import { systemClock, type Clock } from '../../src/common/clock.js';
import type { LibvirtAddress } from './address.js';
import type { BlockInfo } from './block-info.js';
import type { BlockJob } from './block-job.js';
import { ofCheckpoint, ofDomain, readDomain, uuidBytes, type Domain } from './domain.js';
import { watchMonitor } from './monitor-events.js';
import { openConnection } from './open-connection.js';
import {
  AGENT_WAIT_FOR_EVER,
  BACKUP_REUSE_EXTERNAL,
  CHECKPOINT_DELETE_METADATA_ONLY,
  CHECKPOINT_LIST_TOPOLOGICAL,
  CHECKPOINT_XML_NO_DOMAIN,
  COMMIT_ACTIVE,
  JOB_PIVOT,
  MAX_CHECKPOINTS,
  MAX_DOMAINS,
  MERGES,
  MONITOR_COMMAND_HMP,
  PROGRAM,
  QEMU,
  REMOTE,
  RUNNING_JOBS,
  SNAPSHOT_OF_DISKS,
  XML_INACTIVE,
  XML_SECURE,
} from './protocol.js';
import type { RpcConnection } from './rpc-connection.js';
import { XdrWriter, type XdrReader } from './xdr.js';

const NO_FLAGS = 0;
const TIMEOUT_MS = 30_000;
/** The guest agent answers late where a guest has much to write. */
const AGENT_MS = 60_000;
const NEED_RESULTS = 1;
const NO_MOUNT_POINTS = 0;

/**
 * libvirt, as far as an agent needs it. Calls may run side by side.
 * @throws {UmbraError} from every method: HYPERVISOR_FAILED (what libvirt says of it is the cause, a LibvirtFailure),
 *   HYPERVISOR_DENIED, HYPERVISOR_UNREACHABLE, NOT_FOUND for a domain that is gone
 */
export class Libvirt {
  readonly #connection: RpcConnection;
  /** Connect anew to the same libvirt. */
  readonly reopen: () => Promise<Libvirt>;

  private constructor(connection: RpcConnection, reopen: () => Promise<Libvirt>) {
    this.#connection = connection;
    this.reopen = reopen;
  }

  static async open(address: LibvirtAddress, clock: Clock = systemClock): Promise<Libvirt> {
    const open = async (): Promise<Libvirt> => new Libvirt(await openConnection(address, clock, TIMEOUT_MS), open);
    return await open();
  }

  /** True when it was closed, by whomever: no call can succeed any more. */
  get isLost(): boolean {
    return this.#connection.isLost;
  }

  /** All domains, whether they run or not. */
  async domains(): Promise<readonly Domain[]> {
    const args = new XdrWriter().int(NEED_RESULTS).uint(NO_FLAGS);
    const answer = await this.#ask(REMOTE.connectListAllDomains, args, 'list its domains');
    return answer.list(MAX_DOMAINS, () => readDomain(answer));
  }

  async domainByName(name: string): Promise<Domain> {
    return readDomain(await this.#ask(REMOTE.domainLookupByName, new XdrWriter().string(name), `find ${name}`));
  }

  /** @param uuid - as text, with or without dashes */
  async domainByUuid(uuid: string): Promise<Domain> {
    const args = new XdrWriter().opaque(uuidBytes(uuid));
    return readDomain(await this.#ask(REMOTE.domainLookupByUuid, args, `find ${uuid}`));
  }

  /** @returns a number of DOMAIN_STATE */
  async state(domain: Domain): Promise<number> {
    return (await this.stateAndReason(domain)).state;
  }

  /** The state, a number of DOMAIN_STATE, and why it is so: the meaning depends on the state, see PAUSED. */
  async stateAndReason(domain: Domain): Promise<{ readonly state: number; readonly reason: number }> {
    const answer = await this.#ask(
      REMOTE.domainGetState,
      ofDomain(domain).uint(NO_FLAGS),
      `say the state of ${domain.name}`,
    );
    return { state: answer.int(), reason: answer.int() };
  }

  /** @param kind - as it runs, or as it will start the next time */
  async xml(domain: Domain, kind: 'current' | 'inactive'): Promise<string> {
    const args = ofDomain(domain).uint(kind === 'inactive' ? XML_INACTIVE : NO_FLAGS);
    return (await this.#ask(REMOTE.domainGetXmlDesc, args, `describe ${domain.name}`)).string();
  }

  /** As it will start the next time, passwords and all: only to be given back to {@link define}. */
  async secretXml(domain: Domain): Promise<string> {
    const args = ofDomain(domain).uint(XML_INACTIVE | XML_SECURE);
    return (await this.#ask(REMOTE.domainGetXmlDesc, args, `describe ${domain.name}`)).string();
  }

  /** How a domain will start from now on. */
  async define(domain: Domain, xml: string): Promise<void> {
    await this.#ask(REMOTE.domainDefineXml, new XdrWriter().string(xml), `define ${domain.name}`);
  }

  /** False for one that libvirt forgets when it ends. */
  async isPersistent(domain: Domain): Promise<boolean> {
    const answer = await this.#ask(REMOTE.domainIsPersistent, ofDomain(domain), `say what ${domain.name} is`);
    return answer.int() !== 0;
  }

  /** Put overlays that are there on disks, all at once; libvirt keeps no record of it. */
  async coverDisks(domain: Domain, snapshotXml: string): Promise<void> {
    const args = ofDomain(domain).string(snapshotXml).uint(SNAPSHOT_OF_DISKS);
    await this.#ask(REMOTE.domainSnapshotCreateXml, args, `put overlays on the disks of ${domain.name}`);
  }

  /** Begin to merge the layer `top` into `base`, which is the one below. @param isActive - the guest writes to `top` */
  async blockCommit(
    domain: Domain,
    disk: string,
    { top, base, isActive }: { readonly top: string; readonly base: string; readonly isActive: boolean },
  ): Promise<void> {
    const args = ofDomain(domain).string(disk).optionalString(base).optionalString(top).hyper(0);
    args.uint(isActive ? COMMIT_ACTIVE : NO_FLAGS);
    await this.#ask(REMOTE.domainBlockCommit, args, `merge an overlay of ${disk} of ${domain.name}`);
  }

  /** The job of a disk; undefined if there is none. */
  async blockJob(domain: Domain, disk: string): Promise<BlockJob | undefined> {
    const args = ofDomain(domain).string(disk).uint(NO_FLAGS);
    const answer = await this.#ask(REMOTE.domainGetBlockJobInfo, args, `say what becomes of ${disk} of ${domain.name}`);
    if (answer.int() === 0) return undefined;
    const isMerge = MERGES.includes(answer.int());
    answer.hyper();
    return { isMerge, isReady: answer.hyper() === answer.hyper() };
  }

  /** End the job of a disk. @param how - `pivot`: the guest goes on with what was merged into */
  async endBlockJob(domain: Domain, disk: string, how: 'cancel' | 'pivot'): Promise<void> {
    const args = ofDomain(domain)
      .string(disk)
      .uint(how === 'pivot' ? JOB_PIVOT : NO_FLAGS);
    await this.#ask(REMOTE.domainBlockJobAbort, args, `end the job of ${disk} of ${domain.name}`);
  }

  /** @param disk - its target (`vda`) or path */
  async blockInfo(domain: Domain, disk: string): Promise<BlockInfo> {
    const args = ofDomain(domain).string(disk).uint(NO_FLAGS);
    const answer = await this.#ask(REMOTE.domainGetBlockInfo, args, `measure ${disk} of ${domain.name}`);
    const allocationBytes = answer.hyper();
    return { allocationBytes, capacityBytes: answer.hyper() };
  }

  /**
   * Set how long libvirt waits for the guest agent from now on, whoever asks.
   * @param timeoutS - in whole seconds; undefined: for ever
   */
  async setAgentTimeout(domain: Domain, timeoutS: number | undefined): Promise<void> {
    const args = ofDomain(domain)
      .int(timeoutS ?? AGENT_WAIT_FOR_EVER)
      .uint(NO_FLAGS);
    await this.#ask(REMOTE.domainAgentSetResponseTimeout, args, `set a time limit for ${domain.name}`);
  }

  /** Freeze the guest's file systems through its agent. @returns how many */
  async freeze(domain: Domain, timeoutMs = AGENT_MS): Promise<number> {
    const args = ofDomain(domain).uint(NO_MOUNT_POINTS).uint(NO_FLAGS);
    return (await this.#ask(REMOTE.domainFsfreeze, args, `freeze ${domain.name}`, timeoutMs)).int();
  }

  /** @returns how many file systems were thawed */
  async thaw(domain: Domain, timeoutMs = AGENT_MS): Promise<number> {
    const args = ofDomain(domain).uint(NO_MOUNT_POINTS).uint(NO_FLAGS);
    return (await this.#ask(REMOTE.domainFsthaw, args, `thaw ${domain.name}`, timeoutMs)).int();
  }

  async suspend(domain: Domain, timeoutMs = TIMEOUT_MS): Promise<void> {
    await this.#ask(REMOTE.domainSuspend, ofDomain(domain), `pause ${domain.name}`, timeoutMs);
  }

  async resume(domain: Domain, timeoutMs = TIMEOUT_MS): Promise<void> {
    await this.#ask(REMOTE.domainResume, ofDomain(domain), `resume ${domain.name}`, timeoutMs);
  }

  /** A command of the guest agent, in JSON. @param timeoutS - in whole seconds: how long libvirt waits for the guest */
  async agentCommand(domain: Domain, command: string, timeoutS: number): Promise<string> {
    const args = ofDomain(domain).string(command).int(timeoutS).uint(NO_FLAGS);
    const answer = await this.#qemu(QEMU.agentCommand, args, `ask the guest agent of ${domain.name}`);
    return answer.optionalString() ?? '';
  }

  /** A command of QEMU's monitor: QMP in JSON, or one for people. */
  async monitorCommand(domain: Domain, command: string, kind: 'qmp' | 'hmp'): Promise<string> {
    const args = ofDomain(domain)
      .string(command)
      .uint(kind === 'hmp' ? MONITOR_COMMAND_HMP : NO_FLAGS);
    return (await this.#qemu(QEMU.monitorCommand, args, `ask the monitor of ${domain.name}`)).string();
  }

  /** Be told of an event of a domain's QEMU, see {@link watchMonitor}. */
  async onMonitorEvent(
    domain: Domain,
    event: string,
    listener: (details: string) => void,
  ): Promise<() => Promise<void>> {
    return await watchMonitor(this.#connection, domain, event, listener);
  }

  /**
   * Begin a backup job; libvirt has all its parts in place when this resolves.
   * @param checkpointXml - makes a checkpoint of the same instant
   * @param scratch - whether its scratch files are there already: then it begins in half the time
   */
  async backupBegin(
    domain: Domain,
    backupXml: string,
    checkpointXml: string | undefined,
    scratch: 'make' | 'reuse' = 'make',
  ): Promise<void> {
    const flags = scratch === 'reuse' ? BACKUP_REUSE_EXTERNAL : NO_FLAGS;
    const args = ofDomain(domain).string(backupXml).optionalString(checkpointXml).uint(flags);
    await this.#ask(REMOTE.domainBackupBegin, args, `begin a backup of ${domain.name}`);
  }

  /** The backup job that runs; fails with libvirt's number noDomainBackup when there is none. */
  async backupXml(domain: Domain): Promise<string> {
    const args = ofDomain(domain).uint(NO_FLAGS);
    return (await this.#ask(REMOTE.domainBackupGetXmlDesc, args, `describe the backup of ${domain.name}`)).string();
  }

  /** Whether a job of a whole domain runs: a backup, a migration. */
  async hasJob(domain: Domain): Promise<boolean> {
    const answer = await this.#ask(REMOTE.domainGetJobInfo, ofDomain(domain), `say what is done with ${domain.name}`);
    return RUNNING_JOBS.includes(answer.int());
  }

  /** Ask the job that runs to end; a pull backup ends so. It may take a moment more. */
  async abortJob(domain: Domain): Promise<void> {
    await this.#ask(REMOTE.domainAbortJob, ofDomain(domain), `end the job of ${domain.name}`);
  }

  /** Names of checkpoints, parents before their children. */
  async checkpoints(domain: Domain): Promise<readonly string[]> {
    const args = ofDomain(domain).int(NEED_RESULTS).uint(CHECKPOINT_LIST_TOPOLOGICAL);
    const answer = await this.#ask(REMOTE.domainListAllCheckpoints, args, `list the checkpoints of ${domain.name}`);
    return answer.list(MAX_CHECKPOINTS, () => {
      const name = answer.string();
      readDomain(answer);
      return name;
    });
  }

  async checkpointXml(domain: Domain, name: string): Promise<string> {
    const args = ofCheckpoint(domain, name).uint(CHECKPOINT_XML_NO_DOMAIN);
    return (await this.#ask(REMOTE.domainCheckpointGetXmlDesc, args, `describe the checkpoint ${name}`)).string();
  }

  /** Make a checkpoint of a running domain's disks, all of one instant. */
  async createCheckpoint(domain: Domain, checkpointXml: string): Promise<void> {
    const args = ofDomain(domain).string(checkpointXml).uint(NO_FLAGS);
    await this.#ask(REMOTE.domainCheckpointCreateXml, args, `make a checkpoint of ${domain.name}`);
  }

  /** @param what - `metadata`: libvirt forgets it; its bitmaps, if any are left, stay */
  async deleteCheckpoint(domain: Domain, name: string, what: 'all' | 'metadata'): Promise<void> {
    const args = ofCheckpoint(domain, name).uint(what === 'metadata' ? CHECKPOINT_DELETE_METADATA_ONLY : NO_FLAGS);
    await this.#ask(REMOTE.domainCheckpointDelete, args, `delete the checkpoint ${name}`);
  }

  /** Idempotent. Calls under way fail. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #ask(procedure: number, args: XdrWriter, what: string, timeoutMs = TIMEOUT_MS): Promise<XdrReader> {
    return await this.#connection.call({ program: PROGRAM.remote, procedure, args, timeoutMs, what });
  }

  async #qemu(procedure: number, args: XdrWriter, what: string): Promise<XdrReader> {
    return await this.#connection.call({ program: PROGRAM.qemu, procedure, args, timeoutMs: AGENT_MS, what });
  }
}
