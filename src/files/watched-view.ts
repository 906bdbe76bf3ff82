import type { Location } from '../../mount/blocks/byte-source.js';
import type { ShadowCopyView, VolumeReader } from '../../mount/source.js';
import { mergedDisks } from '../protocol/stored-chains.js';

/**
 * A view that tells what is read of its volumes. Of what is in a merged disk nobody can say from which bytes it was made: its
 * tables lead there, which may be in memory since another of its devices was read.
 */
export function watched(view: ShadowCopyView, onRead: (location: Location) => void): ShadowCopyView {
  const merged = new Set(mergedDisks(view).flatMap(({ files }) => files.map(({ volume }) => volume)));
  return {
    ...view,
    lookInto: async (volume) =>
      watchedReader(await view.lookInto(volume), merged.has(volume) ? undefined : volume, onRead),
  };
}

function watchedReader(
  reader: VolumeReader,
  volume: string | undefined,
  onRead: (location: Location) => void,
): VolumeReader {
  return {
    sizeBytes: reader.sizeBytes,
    read: (target, offset) => {
      onRead({ ...(volume !== undefined && { volume }), offset, length: target.length });
      return reader.read(target, offset);
    },
    close: () => reader.close(),
  };
}
