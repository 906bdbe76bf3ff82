import type { Clock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { allBehind } from '../../discovery/backing-chain.js';
import { describeDomain } from '../../discovery/domain-xml.js';
import { libvirtConfig } from '../../discovery/libvirt.js';
import type { LibvirtAddress } from '../../libvirt/address.js';
import { busyDisk, refuseBlockJobs } from '../../libvirt/block-jobs.js';
import { LibvirtGuestControl, NeverPaused } from '../../libvirt/guest-control.js';
import { uuidText, type Domain } from '../../libvirt/domain.js';
import { Libvirt } from '../../libvirt/libvirt.js';
import { machineState } from '../../libvirt/machine-state.js';
import { LibvirtMonitor } from '../../libvirt/monitor.js';
import { pastTakenNames } from '../../libvirt/taken-names.js';
import { runOfQemu } from '../../qemu/process-run.js';
import { escapeXml } from '../../xml.js';
import { refuseJobs, refuseLostJob } from '../qemu-bitmap-libvirt/backup-job.js';
import { ownerIn } from '../qemu-bitmap-libvirt/plan.js';
import type { Checkpoint } from '../tracker.js';
import { refuseDevices } from './chain.js';
import { definitionStarts } from './definition-starts.js';
import { endJob } from './end-job.js';
import type { StartImage } from './newest-overlay.js';
import type { ChainDisk, Merge, Merged, NoteMerges, Overlay, OverlayMachine, WhileStill } from './overlay-machine.js';
import { startFromLeft, type DiskStart } from './start-from-left.js';
import { withImage } from './start-image.js';
import { findUnknown, letGoOf, mergeUnknown, mustRunOn, type Unknown } from './unknown-overlays.js';

export interface LibvirtOverlayOptions {
  readonly address: LibvirtAddress;
  /** The domain's UUID. */
  readonly uuid: string;
  readonly clock: Clock;
}

/** A domain of libvirt's, which keeps its definition in step with the overlays. */
export class LibvirtOverlayMachine implements OverlayMachine {
  readonly isOff: boolean;
  readonly control: LibvirtGuestControl;
  readonly #libvirt: Libvirt;
  readonly #domain: Domain;
  /** With its processors stopped, other than for a checkpoint. */
  readonly #still: LibvirtGuestControl;

  readonly #clock: Clock;

  private constructor(libvirt: Libvirt, domain: Domain, isOff: boolean, clock: Clock) {
    this.#clock = clock;
    this.#libvirt = libvirt;
    this.#domain = domain;
    this.isOff = isOff;
    this.control = new NeverPaused(libvirt, domain);
    this.#still = new LibvirtGuestControl(libvirt, domain);
  }

  /** @throws {UmbraError} HYPERVISOR_*, NOT_FOUND */
  static async open({ address, uuid, clock }: LibvirtOverlayOptions): Promise<LibvirtOverlayMachine> {
    const libvirt = await Libvirt.open(address, clock);
    try {
      const domain = await libvirt.domainByUuid(uuid);
      return new LibvirtOverlayMachine(libvirt, domain, machineState(await libvirt.state(domain)) === 'off', clock);
    } catch (error) {
      await libvirt.close();
      throw error;
    }
  }

  get stillControl(): LibvirtGuestControl {
    return this.#still;
  }

  run(): Promise<string | undefined> {
    const uuid = uuidText(this.#domain.uuid);
    return runOfQemu((args) => args[args.indexOf('-uuid') + 1] === uuid);
  }

  async owner(): Promise<number> {
    return ownerIn(await this.#libvirt.xml(this.#domain, 'current'));
  }

  async disks(): ReturnType<OverlayMachine['disks']> {
    const { name } = this.#domain;
    const described = describeDomain(await this.#libvirt.xml(this.#domain, 'current'), `the XML of ${name}`);
    const disks: ChainDisk[] = [];
    for (const disk of described.disks) {
      const { name: volume, path, format } = disk;
      const { capacityBytes: sizeBytes } = await this.#libvirt.blockInfo(this.#domain, volume);
      disks.push({ volume, format, sizeBytes, layers: [path, ...(await allBehind(disk))] });
    }
    return { disks, skipped: described.skipped };
  }

  async refuse(disks: readonly ChainDisk[]): Promise<void> {
    refuseDevices(disks);
    if (!(await this.#libvirt.isPersistent(this.#domain))) {
      throw new UmbraError('TRACKER_UNAVAILABLE', `libvirt forgets ${this.#domain.name} when it ends`, {
        hint: 'Who starts it again would start it without its overlays: define it ("virsh define"), or use another tracker.',
      });
    }
    await refuseLostJob(this.#libvirt, this.#domain);
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  async cover(overlays: readonly Overlay[]): Promise<void> {
    const { disks } = await this.disks();
    const elements = disks.map(({ volume }) => {
      const overlay = overlays.find(({ disk }) => disk.volume === volume);
      const name = `disk name='${escapeXml(volume)}'`;
      if (overlay === undefined) return `<${name} snapshot='no'/>`;
      const source = `<source file='${escapeXml(overlay.path)}'/>`;
      return `<${name} snapshot='external' type='file'><driver type='qcow2'/>${source}</disk>`;
    });
    const xml = `<domainsnapshot><disks>${elements.join('')}</disks></domainsnapshot>`;
    await pastTakenNames(() => this.#libvirt.coverDisks(this.#domain, xml));
  }

  async merge({ disk, layer }: Merge, whileStill: WhileStill): Promise<void> {
    const [top = '', base = ''] = disk.layers.slice(layer);
    await refuseBlockJobs(this.#libvirt, this.#domain, [disk.volume]);
    await this.#libvirt.blockCommit(this.#domain, disk.volume, { top, base, isActive: layer === 0 });
    await endJob(
      this.#libvirt,
      this.#domain,
      { volume: disk.volume, atTop: layer === 0 ? 'pivot' : undefined },
      whileStill,
    );
  }

  async tidy(merging: string | undefined, whileStill: WhileStill): Promise<void> {
    if (this.isOff) return;
    for (const { volume } of (await this.disks()).disks) {
      const job = await this.#libvirt.blockJob(this.#domain, volume);
      if (job === undefined) continue;
      if (volume !== merging || !job.isMerge) throw busyDisk(this.#domain, volume);
      await endJob(this.#libvirt, this.#domain, { volume, atTop: 'cancel' }, whileStill);
    }
  }

  async takeBack(left: readonly string[], whileStill: WhileStill, note: NoteMerges): Promise<readonly Merged[]> {
    const { disks } = await this.disks();
    if (this.isOff) {
      await startFromLeft(disks, left, this.#clock, (starts) => this.#startFrom(starts));
      return [];
    }
    const monitor = new LibvirtMonitor(this.#libvirt, this.#domain);
    const find = (): Promise<readonly Unknown[]> => findUnknown(monitor, disks, left);
    const refuse = async (): Promise<void> => {
      const volumes = disks.map(({ volume }) => volume);
      await refuseJobs(this.#libvirt, this.#domain);
      await refuseBlockJobs(this.#libvirt, this.#domain, volumes);
    };
    try {
      const unknown = await find();
      const tools = { find, refuse, note, whileStill };
      const merged = unknown.length === 0 ? [] : await mergeUnknown(monitor, tools);
      await letGoOf(monitor, left, whileStill);
      return merged;
    } catch (error) {
      throw mustRunOn(this.#domain, left, error);
    }
  }

  async startAsItRuns(ours: readonly string[]): Promise<readonly string[]> {
    if (this.isOff) return [];
    const { disks } = await this.disks();
    const definition = await this.#libvirt.secretXml(this.#domain);
    const starts = definitionStarts(describeDomain(definition, `the XML of ${this.#domain.name}`).disks, disks, ours);
    if (starts.length > 0) await this.#startFrom(starts);
    return starts.map(({ disk }) => disk.volume);
  }

  readonly startFrom = (disk: ChainDisk, image: StartImage): Promise<void> => this.#startFrom([{ disk, image }]);

  config(): Promise<Checkpoint['config']> {
    return libvirtConfig(this.#libvirt, this.#domain);
  }

  close(): Promise<void> {
    return this.#libvirt.close();
  }

  async #startFrom(starts: readonly DiskStart[]): Promise<void> {
    const xml = await this.#libvirt.secretXml(this.#domain);
    const changed = starts.reduce((before, { disk, image }) => withImage(before, disk.layers[0] ?? '', image), xml);
    await this.#libvirt.define(this.#domain, changed);
  }
}
