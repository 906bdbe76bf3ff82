import type { ServerParts } from '../../src/server/server-parts.js';
import { openFakeEngine } from './fake-engine.js';
import { FakeMounts } from './fake-mounts.js';

/** A server's parts without a store or a kernel. */
export const fakeParts: ServerParts = {
  openEngine: openFakeEngine,
  openMounts: () => Promise.resolve(new FakeMounts()),
};
