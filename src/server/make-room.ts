import { UmbraError } from '../common/errors.js';
import type { StatusResult } from '../protocol/server-api.js';

/**
 * Say why a server should not make room for another one, if there is a reason: somebody runs it on purpose, or needs it.
 * @throws {UmbraError} STORE_IN_USE
 */
export function refuseToMakeRoom({ pid, store, background, mounts, jobs }: StatusResult): void {
  const inUse = (why: string, hint: string): UmbraError =>
    new UmbraError('STORE_IN_USE', `the store ${store} is in use by process ${pid}${why}`, { hint });
  if (!background) throw inUse(', "umbra serve"', '"umbra status" shows what it does, "umbra stop" ends it.');
  const [mount] = mounts;
  if (mount !== undefined) {
    throw inUse(`: it is mounted at ${mount.mountPoint}`, `Run "umbra unmount ${mount.mountPoint}" first.`);
  }
  const [job] = jobs;
  if (job !== undefined) {
    throw inUse(`: ${job.kind} of ${job.what} runs`, 'Wait until it is done; "umbra stop" cancels it.');
  }
}
