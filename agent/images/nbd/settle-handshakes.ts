import { systemCode, UmbraError } from '../../../src/common/errors.js';
import { systemClock, type Clock } from '../../../src/common/clock.js';
import { abortedHandshake } from './handshake.js';
import { take, type Parser } from './parser.js';
import { openSocket } from './socket.js';

const SETTLE_MS = 10_000;
/** Nobody listens there. */
const NOBODY: readonly (string | undefined)[] = ['ENOENT', 'ENOTDIR', 'ECONNREFUSED'];

/**
 * Begin a handshake with an NBD server, and end it in good order. To be done before QEMU is told to stop its server: it waits for the end
 * of every connection then, and as long as it waits hears nothing of one that is still in its handshake, not even that it is closed
 * (7.2); neither its monitor nor its guest would ever go on. When this resolves, QEMU has heard the end of this connection, and so of
 * all that were closed before.
 * @param timeoutMs - how long the server may take
 * @returns false if nobody listens there
 * @throws {UmbraError} IMAGE_FAILED if it does not answer, or not as an NBD server does
 */
export async function settleHandshakes(
  socketPath: string,
  clock: Clock = systemClock,
  timeoutMs = SETTLE_MS,
): Promise<boolean> {
  return await new Promise((resolve, reject) => {
    let isDone = false;
    let failure: UmbraError | undefined;
    function* conversation(): Parser {
      yield* abortedHandshake((bytes) => socket.write(bytes));
      isDone = true;
      // The server closes the connection now.
      for (;;) yield* take(1);
    }
    const socket = openSocket(socketPath, conversation(), (reason) => {
      stopWaiting();
      if (isDone && failure === undefined) resolve(true);
      else if (NOBODY.includes(systemCode(reason.cause))) resolve(false);
      else reject(failure ?? reason);
    });
    const stopWaiting = clock.after(timeoutMs, () => {
      failure = new UmbraError('IMAGE_FAILED', `the NBD server did not end a handshake within ${timeoutMs} ms`);
      socket.destroy();
    });
  });
}
