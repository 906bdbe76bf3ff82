import type { OpenOptions } from 'classic-level';

/**
 * `bulk` is for values of 1 KiB to 256 KiB under ascending keys, `small` for small values under
 * any keys.
 */
export type LevelProfile = 'bulk' | 'small';

export interface LevelKvOptions {
  readonly profile: LevelProfile;
  readonly createIfMissing: boolean;
  readonly errorIfExists: boolean;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * No profile lets LevelDB compress: bodies are compressed already, digests don't shrink, and an
 * uncompressed block is read straight from the mapped table, past the block cache.
 */
const PROFILES: Readonly<Record<LevelProfile, OpenOptions>> = {
  bulk: {
    compression: false,
    writeBufferSize: 16 * MIB,
    // With the default of 2 MiB, a store of 1 TiB would be half a million files.
    maxFileSize: 64 * MIB,
    blockSize: 16 * KIB,
    cacheSize: MIB,
  },
  small: {
    compression: false,
    writeBufferSize: 8 * MIB,
    maxFileSize: 8 * MIB,
    blockSize: 4 * KIB,
    cacheSize: MIB,
  },
};

/** What LevelDB is opened with. */
export function levelOpenOptions(options: LevelKvOptions): OpenOptions {
  return {
    ...PROFILES[options.profile],
    createIfMissing: options.createIfMissing,
    errorIfExists: options.errorIfExists,
  };
}
