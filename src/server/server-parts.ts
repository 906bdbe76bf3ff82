import type { OpenEngine } from './engine.js';
import type { OpenMounts } from './mount-table.js';

/** The parts of a server that tests put others in the place of. */
export interface ServerParts {
  readonly openEngine: OpenEngine;
  readonly openMounts: OpenMounts;
}
