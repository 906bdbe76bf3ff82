import { list, record } from '../../json-values.js';
import type { QemuDisk } from '../../qemu/disks.js';
import type { QmpClient } from '../../qemu/qmp.js';
import type { Checkpoint } from '../tracker.js';

/**
 * What QEMU says of a machine that has no configuration file: enough to make one like it by hand.
 * @throws {UmbraError} TRACKER_FAILED
 */
export async function describeMachine(qmp: QmpClient, disks: readonly QemuDisk[]): Promise<Checkpoint['config']> {
  const description = {
    name: record(await qmp.execute('query-name'))['name'],
    uuid: record(await qmp.execute('query-uuid'))['UUID'],
    qemu: qmp.version.join('.'),
    memoryBytes: record(await qmp.execute('query-memory-size-summary'))['base-memory'],
    processors: list(await qmp.execute('query-cpus-fast')).length,
    disks: disks.map(({ volume, path, format, sizeBytes, backing }) => ({
      volume,
      path,
      format,
      sizeBytes,
      backing,
    })),
  };
  return [{ name: 'qemu.json', data: Buffer.from(`${JSON.stringify(description, null, 2)}\n`) }];
}
