/** Whoever passes commands to a QEMU's monitor: a connection to it, or libvirt. */
export interface QmpCommands {
  /** @returns what QEMU answers. @throws {UmbraError} TRACKER_*, HYPERVISOR_* */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
}
