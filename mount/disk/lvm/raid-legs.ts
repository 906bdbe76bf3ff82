import type { ByteSource } from '../../blocks/byte-source.js';
import type { Probe } from '../probe.js';

const MAGIC = 0x64526d44;
/** Of a leg that is complete. */
const ALL = 0xffff_ffff_ffff_ffffn;

/** A leg of a RAID in LVM: its data, and the volume with its superblock. */
export interface Leg {
  readonly image?: ByteSource;
  readonly metadata?: Probe;
}

interface State {
  readonly events: bigint;
  readonly failedLegs: bigint;
  readonly recoveredTo: bigint;
}

/**
 * The legs whose data are complete and current by their superblocks (struct dm_raid_superblock of drivers/md/dm-raid.c);
 * the others are left out. A RAID that was never active has no superblocks yet.
 */
export async function currentLegs(legs: readonly Leg[]): Promise<(ByteSource | undefined)[]> {
  const states = await Promise.all(legs.map(({ metadata }) => readState(metadata)));
  const events = states.map((state) => state?.events ?? -1n);
  const newest = events.reduce((a, b) => (a > b ? a : b), -1n);
  const failed = states.reduce((bits, state) => (state?.events === newest ? bits | state.failedLegs : bits), 0n);
  if (newest < 0n) return legs.map(({ image }) => image);
  return legs.map(({ image }, index) => {
    const state = states[index];
    const current = state !== undefined && state.events + 1n >= newest && state.recoveredTo === ALL;
    return current && ((failed >> BigInt(index)) & 1n) === 0n ? image : undefined;
  });
}

async function readState(metadata: Probe | undefined): Promise<State | undefined> {
  const superblock = await metadata?.at(0, 48);
  if (superblock?.readUInt32LE(0) !== MAGIC) return undefined;
  return {
    events: superblock.readBigUInt64LE(16),
    failedLegs: superblock.readBigUInt64LE(24),
    recoveredTo: superblock.readBigUInt64LE(32),
  };
}
