import type { StoreFigures } from '../store/figures.js';
import { gauge, label, type Family } from './metric-family.js';

/** The figures of a store, for Prometheus. */
export function storeFamilies({ machines, damagedObjects, disk }: StoreFigures, nowMs: number): readonly Family[] {
  return [
    gauge('umbra_store_machines', 'Machines that have shadow copies.', [['', machines.length]]),
    gauge(
      'umbra_store_shadow_copies',
      'Shadow copies of a machine.',
      machines.map(({ machine, shadowCopies }) => [label('machine', machine), shadowCopies]),
    ),
    gauge(
      'umbra_store_newest_shadow_copy_age_seconds',
      'Age of the newest shadow copy of a machine.',
      // A clock that was set back makes nothing younger than new.
      machines.map(({ machine, newestMs }) => [label('machine', machine), Math.max(0, nowMs - newestMs) / 1000]),
    ),
    gauge('umbra_store_damaged_objects', 'Objects that are known to be damaged.', [['', damagedObjects]]),
    gauge('umbra_store_filesystem_free_bytes', "Free bytes of the store's file system.", [['', disk.freeBytes]]),
    gauge('umbra_store_filesystem_size_bytes', "Size of the store's file system.", [['', disk.sizeBytes]]),
    gauge('umbra_store_reserve_bytes', 'What the reserve takes, for when the disk is full; 0 where there is none.', [
      ['', disk.reserveBytes],
    ]),
  ];
}
