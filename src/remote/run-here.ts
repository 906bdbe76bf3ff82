import { findDevices } from '../../mount/files/find-devices.js';
import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { silentLog } from '../common/log.js';
import { LocalFileOperations } from '../files/file-operations.js';
import { Verdicts } from '../files/verdicts.js';
import type { ExportRequest, Progress, RestoreRequest } from '../protocol/api.js';
import type { CopyFilesRequest } from '../protocol/files-api.js';
import { exportQcow2 } from '../restore/export-qcow2.js';
import { restore } from '../restore/restore-machine.js';
import type { Message } from '../transport/message.js';
import type { ServerLink } from './object-client.js';
import { cancelled } from './patience.js';
import { openReading, type Reading } from './reading.js';

/** What a request that is worked off at the caller's side is given. */
export interface HereOptions {
  readonly link: ServerLink;
  readonly clock: Clock;
  /** Aborted when the user has had enough. */
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

interface Job {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

/** What is made here is its user's alone, as what the server of a store makes. */
const PRIVATE_UMASK = 0o077;

/** Work off a request of done-here.ts, with the code that the server of a store has for it. */
export async function runHere({ path, body }: Message, options: HereOptions): Promise<unknown> {
  const { link, clock, progress } = options;
  const controller = new AbortController();
  const cancel = (): void => {
    controller.abort(cancelled());
  };
  options.signal.addEventListener('abort', cancel);
  if (options.signal.aborted) cancel();
  const { signal } = controller;
  const umask = process.umask(PRIVATE_UMASK);
  let reading: Reading | undefined;
  try {
    reading = await openReading({ link, clock, signal });
    return await run(path, body, reading, { signal, progress });
  } catch (error) {
    throw signal.aborted && !saysHowToGoOn(error) ? cancelled() : error;
  } finally {
    process.umask(umask);
    options.signal.removeEventListener('abort', cancel);
    await reading?.close();
  }
}

/** Commands make good requests: the body is of the type that its path says. */
async function run(path: string, body: unknown, reading: Reading, job: Job): Promise<unknown> {
  const { store, pool, clock } = reading;
  const here = { store, pool, clock, storeDirectory: undefined, ...job };
  switch (path) {
    case '/v1/restore':
      return await restore({ ...here, request: body as RestoreRequest });
    case '/v1/export':
      return await exportQcow2({ ...here, request: body as ExportRequest });
    case '/v1/files/copy':
      return await filesOf(reading).copy(body as CopyFilesRequest, job);
    default:
      throw new UmbraError('INTERNAL', `${path} is not done here`);
  }
}

function filesOf({ store, source, clock }: Reading): LocalFileOperations {
  return new LocalFileOperations({
    store: () => store,
    source,
    find: findDevices,
    storeDirectory: undefined,
    // A copy compares nothing.
    verdicts: new Verdicts('/dev/null'),
    clock,
    log: silentLog,
  });
}

/** What was cancelled and can be gone on with says so. */
function saysHowToGoOn(error: unknown): boolean {
  return isUmbraError(error, 'CANCELLED') && error.hint !== undefined;
}
