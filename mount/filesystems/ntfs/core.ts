import type { MetadataReader } from '../../blocks/block-cache.js';
import type { ByteSource } from '../../blocks/byte-source.js';
import type { Geometry } from './boot-sector.js';
import type { Mft } from './mft.js';

/** What the parts of an open volume share. */
export interface NtfsCore {
  readonly source: ByteSource;
  readonly reader: MetadataReader;
  readonly geometry: Geometry;
  readonly mft: Mft;
}
