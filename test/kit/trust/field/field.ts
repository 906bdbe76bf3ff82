import { join } from 'node:path';
import { requests } from '../../../../src/client/requests.js';
import type { Random } from '../../random.js';
import type { Teardown } from '../../umbra-program.js';
import { inTime, protect } from '../fleet/checks.js';
import { startFleet, type Fleet, type FleetOptions } from '../fleet/fleet.js';
import type { Version } from '../model.js';
import { Ledger } from './ledger.js';
import { RemoteMount, ServerMount } from './mounts.js';
import { CALM, type Rhythm } from './rhythms.js';
import { StillMachine } from './still-machine.js';
import type { Tally } from './tally.js';

/** The whole product, as it lives where it is used, and what is known of it. */
export interface Field {
  readonly fleet: Fleet;
  readonly stills: readonly StillMachine[];
  readonly mounts: readonly [ServerMount, RemoteMount];
  readonly ledger: Ledger;
  readonly tally: Tally;
  readonly directory: string;
  /** Names of all machines. */
  readonly names: readonly string[];
  /** For how long new shadow copies are certainly kept now, whatever policies say. */
  minimumAgeMs: number;
}

/** What a field has besides images in directories and below a filter. */
export interface FieldOptions extends Pick<FleetOptions, 'withGuestAgent' | 'hasHypervisors'> {
  readonly tally: Tally;
}

/** @param directory short */
export async function startField(
  t: Teardown,
  directory: string,
  random: Random,
  { tally, ...options }: FieldOptions,
): Promise<Field> {
  // Each with numbers of its own, which don't depend on what others did before.
  const stills = ['still', 'quiet'].map((name) => new StillMachine(directory, name, random.fork()));
  const settings = { directories: stills.flatMap((still) => still.settings.directories) };
  const fleet = await startFleet(t, directory, random, { ...options, isScheduling: true, settings });
  const mounts = [new ServerMount(t, directory, fleet), new RemoteMount(t, directory, fleet)] as const;
  const machines = [...fleet.machines, ...stills];
  const names = machines.map(({ name }) => name);
  const field = { fleet, stills, mounts, ledger: new Ledger(tally), tally, directory, names, minimumAgeMs: 0 };
  await applyRhythm(field, CALM);
  for (const machine of machines) await protect(fleet, machine);
  await mounts[1].logIn();
  await inTime(fleet.server.untilQuiet(), 'the first shadow copies are made');
  return field;
}

/** Have other policies hold. What it comes to if that breaks off nobody knows: the shorter minimum age is reckoned with. */
export async function applyRhythm(field: Field, { text, minimumAgeMs }: Rhythm): Promise<void> {
  field.minimumAgeMs = Math.min(field.minimumAgeMs, minimumAgeMs);
  await field.fleet.server.client.call(requests.applyPolicies({ text }));
  field.minimumAgeMs = minimumAgeMs;
}

/** Look what is listed, and have the ledger judge it. */
export async function look(field: Field): Promise<readonly Version[]> {
  return await field.ledger.inTurn(async (acknowledged) => {
    const before = field.minimumAgeMs;
    const listed = await field.fleet.server.client.call(requests.list(undefined));
    const versions = new Map(
      listed.map(({ machine, shadowCopy, time }): [Version, number] => [`${machine}@${shadowCopy}`, Date.parse(time)]),
    );
    const minimumAgeMs = Math.min(before, field.minimumAgeMs);
    const added = new Set(field.ledger.listed(versions, { nowMs: Date.now(), minimumAgeMs, acknowledged }));
    for (const { machine, shadowCopy, tracker, volumes } of listed) {
      if (!added.has(`${machine}@${shadowCopy}`)) continue;
      const bytes = volumes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      field.tally.add('shadow copies', tracker, bytes);
    }
    return [...versions.keys()];
  });
}

/** For what somebody writes there. */
export function scratch(field: Field, name: string): string {
  return join(field.directory, name);
}
