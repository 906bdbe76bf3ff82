import type { DiscoveredMachine } from '../../src/protocol/agents-api.js';

/** What one source of machines found. */
export interface Found {
  readonly machines: readonly DiscoveredMachine[];
  /** For people: what could not be looked at, and why. */
  readonly notes: readonly string[];
}
