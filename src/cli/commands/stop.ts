import { requests } from '../../client/requests.js';
import { isUmbraError } from '../../common/errors.js';
import type { StopResult } from '../../protocol/server-api.js';
import type { Command } from '../command.js';
import { plural } from '../format.js';
import type { Session } from '../session.js';

export const command: Command = {
  usage: '',
  synopsis: '',
  description: 'End the server of the store: what runs is cancelled, mounts are unmounted, the store is closed.',
  examples: [['umbra stop', 'before the store is moved or copied']],
  next: 'The next command that needs a server starts one.',
  positionals: {},
  options: {},
  run: async (_args, session) => {
    const result = await stop(session);
    session.answer({ stopped: result !== undefined, ...result }, () => describe(result, session.place));
    return 'OK';
  },
};

/** @returns undefined when none runs */
async function stop(session: Session): Promise<StopResult | undefined> {
  try {
    return await session.client().call(requests.stop());
  } catch (error) {
    if (isUmbraError(error, 'SERVER_UNREACHABLE') && !session.isRemote) return undefined;
    throw error;
  }
}

function describe(result: StopResult | undefined, place: string): string {
  if (result === undefined) return `no server of the store ${place} is running\n`;
  const { pid, cancelledJobs, unmounted, left } = result;
  return [
    `stopped the server (process ${pid})\n`,
    ...(cancelledJobs > 0 ? [`${plural(cancelledJobs, 'operation was', 'operations were')} cancelled\n`] : []),
    ...unmounted.map(({ mountPoint }) => `unmounted ${mountPoint}\n`),
    ...left.map(
      ({ mountPoint }) => `${mountPoint} could not be unmounted and is dead now: "umount -l" as root takes it away\n`,
    ),
  ].join('');
}
