import { openMounts } from '../../mount/mounts.js';
import { openLocalEngine } from './local-engine.js';
import type { ServerParts } from './server-parts.js';

/** What a server of a store on this machine is made of. */
export const localParts: ServerParts = { openEngine: openLocalEngine, openMounts };
