import type { IngestVolume, Rest } from '../protocol/ingest.js';
import type { VolumeRecord } from '../store/records.js';

/**
 * What the regions of a volume are that are not sent. A base that is larger, or of which something may be damaged, is not built
 * on: then all is sent, which heals.
 */
export function restOf(volume: IngestVolume, base: VolumeRecord | undefined, hasDamage: boolean): Rest {
  if (volume.rest === 'holes' || base === undefined || base.sizeBytes > volume.sizeBytes) return 'holes';
  if (volume.fingerprint !== undefined && !isOfSameImage(volume, base)) return 'holes';
  return hasDamage ? 'holes' : 'base';
}

/** True if the base was made of this very image, as it is now: then nothing of it need be sent. */
function isOfSameImage({ path, fingerprint, sizeBytes }: IngestVolume, { source, ...base }: VolumeRecord): boolean {
  return source.path === path && source.fingerprint === fingerprint && base.sizeBytes === sizeBytes;
}
