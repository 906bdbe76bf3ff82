import type { FormatVersion } from '../store/format-record.js';
import type { CreateStoreOptions } from './engine.js';

/** What a new store is made with, of what whoever makes it has chosen. */
export function chosen(create: CreateStoreOptions): {
  compression?: { codec: 'zstd' | 'lz4'; level: number };
  seed?: string;
  format?: FormatVersion;
} {
  const { codec, level, seed, format } = create;
  const compression = { codec: codec ?? 'zstd', level: codec === 'lz4' ? 1 : (level ?? 1) } as const;
  return {
    compression,
    ...(seed === undefined ? {} : { seed }),
    ...(format === undefined ? {} : { format: format === '1' ? 1 : 2 }),
  };
}
