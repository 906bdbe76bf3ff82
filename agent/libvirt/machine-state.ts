import type { MachineState } from '../../src/protocol/agents-api.js';
import { DOMAIN_STATE } from './protocol.js';

/** @param state - a number of DOMAIN_STATE */
export function machineState(state: number): MachineState {
  switch (state) {
    case DOMAIN_STATE.running:
    case DOMAIN_STATE.blocked:
    case DOMAIN_STATE.shutdown:
      return 'running';
    case DOMAIN_STATE.paused:
    case DOMAIN_STATE.suspended:
      return 'paused';
    case DOMAIN_STATE.off:
    case DOMAIN_STATE.crashed:
      return 'off';
    default:
      return 'unknown';
  }
}
