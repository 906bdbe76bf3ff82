import { UmbraError } from '../../src/common/errors.js';
import type { DiscoveredMachine, DiscoveryReport, ProtectedMachine } from '../../src/protocol/agents-api.js';

/** A protected machine as it is now. @throws {UmbraError} NOT_FOUND */
export function findMachine({ machines, notes }: DiscoveryReport, machine: ProtectedMachine): DiscoveredMachine {
  const found =
    machines.find(({ uuid }) => uuid !== undefined && uuid === machine.uuid) ??
    machines.find(({ name }) => name === machine.hostName);
  if (found !== undefined) return found;
  const why = notes.length === 0 ? '' : ` (${notes.join('; ')})`;
  throw new UmbraError('NOT_FOUND', `this host has no machine "${machine.hostName}" any more${why}`, {
    hint: 'If it has moved, protect it on its new host: umbra protect MACHINE --host HOST.',
  });
}
