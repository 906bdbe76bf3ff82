import { UmbraError } from '../common/errors.js';
import type { ShadowCopyRecord, VolumeRecord } from '../store/records.js';

/** @throws {UmbraError} NOT_FOUND */
export function findVolume(record: ShadowCopyRecord, name: string): VolumeRecord {
  const volume = record.volumes.find((candidate) => candidate.name === name);
  if (volume !== undefined) return volume;
  const names = record.volumes.map((candidate) => candidate.name).join(', ');
  throw new UmbraError('NOT_FOUND', `${record.machine}@${record.name} has no volume "${name}"`, {
    hint: names === '' ? 'It has no volumes at all.' : `It has ${names}.`,
  });
}
