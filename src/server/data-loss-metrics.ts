import { DATA_LOSS_STATES } from '../policies/data-loss.js';
import type { WatchedMachine } from '../scheduler/fleet.js';
import { gauge, label, type Family, type Sample } from './metric-family.js';

/** So many machines have figures of their own, the worst. */
const MOST_MACHINES = 4096;

/** How much work would be lost, for Prometheus. @param machines the worst first */
export function dataLossFamilies(machines: readonly WatchedMachine[]): readonly Family[] {
  const shown = machines.slice(0, MOST_MACHINES);
  return [
    gauge(
      'umbra_data_loss_age_seconds',
      'Age of the newest of a protected machine, its replica or its newest shadow copy; without one, time since it is planned for.',
      shown.flatMap(({ machine, ageMs }): Sample[] =>
        ageMs === undefined ? [] : [[label('machine', machine), ageMs / 1000]],
      ),
    ),
    gauge(
      'umbra_replica_age_seconds',
      'Age of the replica of a protected machine: a shadow copy is one, too, if there is no newer one.',
      shown.flatMap(({ machine, newest, ageMs }): Sample[] =>
        newest === undefined || ageMs === undefined ? [] : [[label('machine', machine), ageMs / 1000]],
      ),
    ),
    gauge(
      'umbra_shadow_copy_age_seconds',
      'Age of the newest shadow copy of a protected machine.',
      shown.flatMap(({ machine, shadowCopyAgeMs }): Sample[] =>
        shadowCopyAgeMs === undefined ? [] : [[label('machine', machine), shadowCopyAgeMs / 1000]],
      ),
    ),
    gauge(
      'umbra_data_loss_acceptable_seconds',
      'Age that the policy of a protected machine accepts.',
      shown.map(({ machine, acceptableMs }) => [label('machine', machine), acceptableMs / 1000]),
    ),
    gauge(
      'umbra_data_loss_machines',
      'Protected machines by the state of their data loss.',
      DATA_LOSS_STATES.map((state) => [
        label('state', state),
        machines.filter((machine) => machine.state === state).length,
      ]),
    ),
  ];
}
