import { UmbraError } from '../common/errors.js';
import { checkMachineName, isMachineName } from '../common/names.js';
import type { DiscoveredMachine, ProtectedMachine, ProtectRequest } from '../protocol/agents-api.js';

/** A machine that the agent of a host sees. */
export interface Seen {
  readonly host: string;
  readonly machine: DiscoveredMachine;
}

/** The one that is asked for. @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT when several hosts have it */
export function findSeen(machines: readonly Seen[], { machine: wanted, host }: ProtectRequest): Seen {
  const named = machines.filter(
    (seen) => (seen.machine.name === wanted || seen.machine.uuid === wanted) && (host ?? seen.host) === seen.host,
  );
  const [first, second] = named;
  if (first === undefined) {
    const where = host ?? 'any host';
    throw new UmbraError('NOT_FOUND', `no agent sees a machine "${wanted}" on ${where}`, {
      hint: 'Run "umbra machines --discover" to see what agents see.',
    });
  }
  if (second === undefined) return first;
  const hosts = named.map((seen) => seen.host).join(', ');
  throw new UmbraError('BAD_ARGUMENT', `several hosts have a machine "${wanted}": ${hosts}`, {
    hint: 'Say which with --host HOST.',
  });
}

/**
 * What a machine is to be called in the store.
 * @param before - those that are protected
 * @throws {UmbraError} BAD_NAME, BAD_ARGUMENT when the name is another machine's
 */
export function nameFor(
  before: readonly ProtectedMachine[],
  { as, host: wantedHost }: ProtectRequest,
  { host, machine }: Seen,
): string {
  const same = before.find((other) => isOf(other, { host, machine }));
  if (as === undefined && same !== undefined) return same.name;
  if (as === undefined && !isMachineName(machine.name)) {
    throw new UmbraError('BAD_NAME', `"${machine.name}" can't be a machine's name here`, {
      hint: 'Give it one with --as NAME.',
    });
  }
  const name = checkMachineName(as ?? machine.name);
  if (same !== undefined && same.name !== name) {
    throw new UmbraError('BAD_ARGUMENT', `it is protected already, as ${same.name}`, {
      hint: `Run "umbra unprotect ${same.name}" first.`,
    });
  }
  const other = before.find((candidate) => candidate.name === name);
  if (other === undefined || other === same) return name;
  if (other.uuid === undefined || other.uuid !== machine.uuid || other.host === host) {
    throw new UmbraError('BAD_ARGUMENT', `"${name}" is another machine: ${other.hostName} on ${other.host}`, {
      hint: 'Give it another name with --as NAME.',
    });
  }
  if (wantedHost === undefined) {
    throw new UmbraError('BAD_ARGUMENT', `"${name}" is protected by the agent of ${other.host}`, {
      hint: `If it has moved to ${host}, say so with --host ${host}: the agent there gets what there is of it.`,
    });
  }
  return name;
}

/** A machine keeps its UUID when it is renamed. */
export function isOf(of: ProtectedMachine, { host, machine }: Seen): boolean {
  if (of.host !== host) return false;
  return of.uuid !== undefined && machine.uuid !== undefined ? of.uuid === machine.uuid : of.hostName === machine.name;
}
