import type { ShadowCopyView, VolumeReader } from '../../mount/source.js';
import { toHex } from '../codec/digest.js';
import { UmbraError } from '../common/errors.js';
import { after, type Eventually } from '../common/eventually.js';
import { mergedDisks } from '../protocol/stored-chains.js';
import type { Listing } from '../store/catalog.js';
import { shadowCopyInfo, type ShadowCopyRecord } from '../store/records.js';
import { TreeVolumeReader, type ReadContext } from './volume-reader.js';

export interface ShadowCopyViewOptions {
  readonly listing: Listing;
  readonly record: ShadowCopyRecord;
  readonly context: () => ReadContext;
  /** Keeps the shadow copy's data from collection, and with a holder the shadow copy from being forgotten. @throws {UmbraError} NOT_FOUND */
  readonly lease: (holder?: string) => Eventually<() => void>;
}

/** What a mount shows of a shadow copy. */
export function shadowCopyView(options: ShadowCopyViewOptions): ShadowCopyView {
  const { listing, record, lease } = options;
  return {
    timeMs: record.timeMs,
    about: aboutOf(listing, record),
    config: record.config,
    volumes: record.volumes.map(({ name, sizeBytes, dataBytes }) => ({ name, sizeBytes, dataBytes })),
    openVolume: attempt((name) => openVolume(options, name, `${name}.raw is open in a mount`)),
    lookInto: attempt((name) => openVolume(options, name)),
    keep: (holder) => lease(holder),
  };
}

function openVolume(options: ShadowCopyViewOptions, name: string, holder?: string): Eventually<VolumeReader> {
  const { listing, record, context, lease } = options;
  const volume = record.volumes.find((candidate) => candidate.name === name);
  if (volume === undefined) {
    throw new UmbraError('NOT_FOUND', `${listing.machine}@${listing.name} has no volume "${name}"`);
  }
  return after(lease(holder), (giveBack) => new TreeVolumeReader(context(), volume, giveBack));
}

/** What throws, as what rejects. */
function attempt<A, R>(work: (argument: A) => Eventually<R>): (argument: A) => Promise<R> {
  return (argument) => Promise.resolve(argument).then(work);
}

function aboutOf(listing: Listing, record: ShadowCopyRecord): Readonly<Record<string, unknown>> {
  const disks = mergedDisks(record).map(({ name, files }) => ({ name, files: files.map(({ volume }) => volume) }));
  return {
    ...shadowCopyInfo(record),
    record: toHex(listing.record),
    volumes: record.volumes.map(({ name, sizeBytes, dataBytes, root, source }) => ({
      name,
      sizeBytes,
      dataBytes,
      root: toHex(root),
      source: { path: source.path, format: source.format },
    })),
    ...(disks.length > 0 && { disks }),
    config: record.config.map(({ name }) => name),
    notes: record.notes ?? [],
    ...(record.change && { change: { volumes: record.change.volumes, sudden: record.change.sudden } }),
  };
}
