import type { ScrubResult } from '../protocol/upkeep-api.js';
import type { StoreFigures } from '../store/figures.js';
import { counter, gauge, label, type Family } from './metric-family.js';

/** The figures of a store, for Prometheus. */
export function storeFamilies(
  { machines, damagedObjects, disk, space }: StoreFigures,
  nowMs: number,
): readonly Family[] {
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
    gauge('umbra_store_filesystem_free_files', "Files that the store's file system can still take.", [
      ['', disk.freeFiles],
    ]),
    gauge('umbra_store_ingest_stopped', 'Whether the disk of the store is too full for shadow copies to be made.', [
      ['', space?.state === 'stopped' ? 1 : 0],
    ]),
    gauge(
      'umbra_store_limit_bytes',
      'With less free than this a warning comes, and no shadow copies are made.',
      space === undefined
        ? []
        : [
            [label('limit', 'warn'), space.warnBytes],
            [label('limit', 'stop'), space.stopBytes],
          ],
    ),
    gauge('umbra_store_reserve_bytes', 'What the reserve takes, for when the disk is full; 0 where there is none.', [
      ['', disk.reserveBytes],
    ]),
  ];
}

const DAY_SECONDS = 24 * 60 * 60;

/** How far reading everything again is, for Prometheus. */
export function scrubFamilies({ days, oldestDays, objects, unreadObjects, readBytes }: ScrubResult): readonly Family[] {
  return [
    gauge('umbra_scrub_oldest_seconds', 'For how long some object was not read, at most.', [
      ['', oldestDays * DAY_SECONDS],
    ]),
    gauge('umbra_scrub_period_seconds', 'In how long everything is to be read once; 0 if nothing is read by itself.', [
      ['', days * DAY_SECONDS],
    ]),
    gauge('umbra_scrub_objects', 'Objects that there are to read, about.', [['', objects]]),
    gauge('umbra_scrub_unread_objects', 'Objects that were never read since they were stored.', [['', unreadObjects]]),
    counter('umbra_scrub_read_bytes_total', 'Bytes of objects that were read again.', [['', readBytes]]),
  ];
}
