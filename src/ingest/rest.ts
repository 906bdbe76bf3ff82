import type { IngestVolume, Rest } from '../protocol/ingest.js';
import type { VolumeRecord } from '../store/records.js';

/** Regions of a base that have to be sent again; `all` if it is not known which. */
export type Reread = ReadonlySet<number> | 'all';

/**
 * What the regions of a volume are that are not sent. A base that is larger, or so damaged that its regions are not known, is not
 * built on: then all is sent, which heals.
 * @param reread the regions of the base that are damaged
 */
export function restOf(volume: IngestVolume, base: VolumeRecord | undefined, reread: Reread): Rest {
  if (volume.rest === 'holes' || base === undefined || base.sizeBytes > volume.sizeBytes) return 'holes';
  if (volume.fingerprint !== undefined && !isOfSameImage(volume, base)) return 'holes';
  return reread === 'all' ? 'holes' : 'base';
}

/** True if the base was made of this very image, as it is now: then nothing of it need be sent. */
function isOfSameImage({ path, fingerprint, sizeBytes }: IngestVolume, { source, ...base }: VolumeRecord): boolean {
  return source.path === path && source.fingerprint === fingerprint && base.sizeBytes === sizeBytes;
}
