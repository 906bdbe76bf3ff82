import type { Message } from '../transport/message.js';
import type { HereOptions } from './run-here.js';

/** Requests that name files of the caller's machine, and only read shadow copies of the server. */
const PATHS: readonly string[] = ['/v1/restore', '/v1/export', '/v1/files/copy'];

/** True if a request to a server elsewhere is to be worked off here. */
export function isDoneHere({ path }: Message): boolean {
  return PATHS.includes(path);
}

/** Work such a request off. @throws {UmbraError} as the server of a store would; SERVER_UNREACHABLE, CANCELLED */
export async function doHere(message: Message, options: HereOptions): Promise<unknown> {
  const { runHere } = await import('./run-here.js');
  return await runHere(message, options);
}
