import { join } from 'node:path';
import type { Test } from 'tap';
import { systemClock } from '../../src/common/clock.js';
import { silentLog } from '../../src/common/log.js';
import { StoreServer, type StoreServerOptions } from '../../src/server/store-server.js';
import { fakeParts } from './fake-parts.js';
import { temporaryDirectory } from './temporary.js';

/** A server over the fake engine in this process, for a new store; stopped when the test ends. */
export async function startFakeServer(
  t: Test,
  options: Partial<StoreServerOptions> = {},
): Promise<{ server: StoreServer; store: string }> {
  const store = options.store ?? join(temporaryDirectory(t), 'store');
  const server = await StoreServer.start({
    clock: systemClock,
    log: silentLog,
    create: { mode: 'may' },
    ...fakeParts,
    ...options,
    store,
  });
  t.teardown(async () => {
    await server.stop();
    await server.ended;
  });
  return { server, store };
}
