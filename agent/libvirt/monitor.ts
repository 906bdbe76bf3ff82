import { UmbraError } from '../../src/common/errors.js';
import { record, text } from '../json-values.js';
import type { QmpCommands } from '../qemu/commands.js';
import type { Domain } from './domain.js';
import type { Libvirt } from './libvirt.js';

/** The monitor of a domain that runs. libvirt marks a domain whose monitor was used past it: so only where nobody else can be asked. */
export class LibvirtMonitor implements QmpCommands {
  readonly #libvirt: Libvirt;
  readonly #domain: Domain;

  constructor(libvirt: Libvirt, domain: Domain) {
    this.#libvirt = libvirt;
    this.#domain = domain;
  }

  /** @throws {UmbraError} TRACKER_FAILED when QEMU refuses it; HYPERVISOR_* */
  async execute(execute: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const command = JSON.stringify({ execute, arguments: args });
    const answer = record(JSON.parse(await this.#libvirt.monitorCommand(this.#domain, command, 'qmp')));
    if ('return' in answer) return answer['return'];
    const why = text(record(answer['error'])['desc']) ?? 'no reason given';
    throw new UmbraError('TRACKER_FAILED', `QEMU refused ${execute}: ${why}`);
  }
}
