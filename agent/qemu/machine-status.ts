import type { MachineState } from '../../src/protocol/agents-api.js';
import { record, text } from '../json-values.js';
import type { QmpClient } from './qmp.js';

export interface MachineStatus {
  /** As QEMU calls it: `running`, `paused`, `inmigrate`, `io-error`, … */
  readonly name: string;
  readonly state: MachineState;
  /** It is coming from another host or going there. */
  readonly isMigrating: boolean;
}

/** @throws {UmbraError} TRACKER_FAILED */
export async function machineStatus(qmp: QmpClient, timeoutMs?: number): Promise<MachineStatus> {
  const status = record(await qmp.execute('query-status', undefined, timeoutMs));
  const name = text(status['status']) ?? 'unknown';
  const isMigrating =
    ['inmigrate', 'postmigrate', 'finish-migrate'].includes(name) || (await isLeaving(qmp, timeoutMs));
  return { name, state: status['running'] === true ? 'running' : 'paused', isMigrating };
}

async function isLeaving(qmp: QmpClient, timeoutMs: number | undefined): Promise<boolean> {
  const migration = text(record(await qmp.execute('query-migrate', undefined, timeoutMs))['status']);
  return migration !== undefined && !['none', 'completed', 'cancelled', 'failed'].includes(migration);
}
