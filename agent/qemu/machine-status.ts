import type { MachineState } from '../../src/protocol/agents-api.js';
import { record, text } from '../json-values.js';
import type { QmpClient } from './qmp.js';

export interface MachineStatus {
  /** As QEMU calls it: `running`, `paused`, `inmigrate`, `io-error`, … */
  readonly name: string;
  readonly state: MachineState;
}

/** @throws {UmbraError} TRACKER_FAILED */
export async function machineStatus(qmp: QmpClient, timeoutMs?: number): Promise<MachineStatus> {
  const status = record(await qmp.execute('query-status', undefined, timeoutMs));
  return { name: text(status['status']) ?? 'unknown', state: status['running'] === true ? 'running' : 'paused' };
}

/**
 * True if the machine is coming from another host or going there.
 * @throws {UmbraError} TRACKER_FAILED
 */
export async function isMigrating(qmp: QmpClient): Promise<boolean> {
  const { name } = await machineStatus(qmp);
  if (['inmigrate', 'postmigrate', 'finish-migrate'].includes(name)) return true;
  const migration = text(record(await qmp.execute('query-migrate'))['status']);
  return migration !== undefined && !['none', 'completed', 'cancelled', 'failed'].includes(migration);
}
