import type { Clock } from '../../src/common/clock.js';
import type { DiscoveredMachine } from '../../src/protocol/agents-api.js';
import { record, text } from '../json-values.js';
import { findDisks } from '../qemu/disks.js';
import { machineStatus } from '../qemu/machine-status.js';
import { QmpClient } from '../qemu/qmp.js';

export interface QmpDiscoveryOptions {
  /** Absolute. */
  readonly qmpSocket: string;
  /** What to call the machine if its QEMU does not say. */
  readonly fallbackName: string;
  /** Names of volumes, by device id or path. */
  readonly names?: ReadonlyMap<string, string>;
  /** Called if it runs on another host by now, and this QEMU only waits for its end. */
  readonly migratedAway?: () => void;
  readonly clock: Clock;
}

const MAX_NAME = 255;

/**
 * The machine that a QEMU runs.
 * @throws {UmbraError} TRACKER_UNAVAILABLE when it does not run, TRACKER_BUSY, TRACKER_FAILED
 */
export async function discoverByQmp(options: QmpDiscoveryOptions): Promise<DiscoveredMachine> {
  const { qmpSocket: socketPath, fallbackName, names, clock } = options;
  const qmp = await QmpClient.open({ socketPath, clock });
  try {
    const { name: status, state } = await machineStatus(qmp);
    if (status === 'postmigrate') options.migratedAway?.();
    const name = text(record(await qmp.execute('query-name'))['name'])?.slice(0, MAX_NAME);
    const uuid = text(record(await qmp.execute('query-uuid'))['UUID']);
    const { disks, skipped } = await findDisks(qmp, names);
    return {
      name: name ?? fallbackName,
      // QEMU's way to say that it was given none.
      ...(uuid === undefined || /^[0-]+$/.test(uuid) ? {} : { uuid }),
      source: 'qmp',
      state,
      volumes: disks.map(({ volume, path, format, sizeBytes, backing }) => ({
        name: volume,
        path,
        format,
        sizeBytes,
        backing,
      })),
      skipped,
      configPaths: [],
    };
  } finally {
    qmp.close();
  }
}
