import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../../../src/common/clock.js';
import { isUmbraError, systemCode, UmbraError } from '../../../src/common/errors.js';
import { writeDurably } from '../../../src/system/durable-file.js';
import { settleHandshakes } from '../../images/nbd/settle-handshakes.js';
import { list, record, text } from '../../json-values.js';
import type { QmpClient } from '../../qemu/qmp.js';
import { serverSockets } from '../../qemu/server-sockets.js';
import { isOurs } from './names.js';

export interface QemuNbdServerOptions {
  /** Absolute, for one machine. */
  readonly notePath: string;
  /** Where sockets may be made, a short path. */
  readonly runtimeDirectory: string;
  /** The user QEMU runs as. */
  readonly owner: number;
  /** The process of the QEMU; undefined if it is not to be seen. */
  readonly pid: () => Promise<number | undefined>;
  /** How long clients that are gone may take to be gone for QEMU, too; 10 s when absent. */
  readonly settleMs?: number;
}

const DIRECTORY = 'umbra-nbd-';
const NAME_BYTES = 6;
const SETTLE_MS = 10_000;
const POLL_MS = 20;

/**
 * The NBD server of a QEMU. There is one at most, QEMU does not say where, nor whose it is: what we started is written down
 * before.
 */
export class QemuNbdServer {
  readonly #options: QemuNbdServerOptions;
  #isRunning = false;

  constructor(options: QemuNbdServerOptions) {
    this.#options = options;
  }

  /**
   * @returns the path of its socket, in a directory that only QEMU's user and root can enter
   * @throws {UmbraError} TRACKER_BUSY when QEMU has a server of somebody else's, TRACKER_FAILED
   */
  async start(qmp: QmpClient): Promise<string> {
    const { notePath, runtimeDirectory, owner } = this.#options;
    // A name that nobody guesses, written down before there is anything: an agent that is killed in between leaves nothing that nobody knows of.
    const directory = join(runtimeDirectory, `${DIRECTORY}${randomBytes(NAME_BYTES).toString('base64url')}`);
    const socketPath = join(directory, 'socket');
    await writeDurably(notePath, JSON.stringify({ socketPath }));
    try {
      await mkdir(directory, { mode: 0o700 });
    } catch (error) {
      await rm(notePath, { force: true });
      throw error;
    }
    try {
      await giveTo(directory, owner);
      await qmp.execute('nbd-server-start', { addr: { type: 'unix', data: { path: socketPath } } });
      this.#isRunning = true;
      return socketPath;
    } catch (error) {
      await this.#forget(directory);
      if (!isUmbraError(error) || !error.message.includes('already running')) throw error;
      throw new UmbraError('TRACKER_BUSY', 'another program uses the NBD server of this QEMU', {
        hint:
          'End the other backup or export (QMP: query-block-exports, nbd-server-stop), then try again. If there is none, an agent has left the ' +
          'server, and its socket was deleted: end it by the QMP command nbd-server-stop.',
        cause: error,
      });
    }
  }

  /**
   * Stop the server if it is ours; one that others export through stays, and is taken for theirs from now on.
   * @throws {UmbraError} TRACKER_FAILED, IMAGE_FAILED if something is left that would have QEMU wait; the note stays
   */
  async stop(qmp: Pick<QmpClient, 'execute'>): Promise<void> {
    const socketPath = await this.#noted();
    if (socketPath === undefined) return;
    const exports = list(await qmp.execute('query-block-exports')).map(record);
    const names = exports.filter(({ type }) => type === 'nbd').map(({ id }) => text(id) ?? '');
    const left = names.find(isOurs);
    // QEMU would wait for the end of its connections, and its guest with it.
    if (left !== undefined) throw new UmbraError('TRACKER_FAILED', `QEMU still has the export ${left}`);
    // One that an agent before us started may be gone with its QEMU, and the server of today be somebody else's.
    const isThere = (await settleHandshakes(socketPath)) || (await this.#listensUnnamed(socketPath));
    if ((isThere || this.#isRunning) && names.length === 0) await qmp.execute('nbd-server-stop');
    this.#isRunning = false;
    await this.#forget(dirname(socketPath));
  }

  /**
   * The name of the socket was deleted, as when a directory for temporary files is cleaned: QEMU has it open. No handshake can begin any more, and
   * none is under way when no connection is left.
   */
  async #listensUnnamed(socketPath: string): Promise<boolean> {
    const { pid, settleMs = SETTLE_MS } = this.#options;
    const number = await pid();
    if (number === undefined) return false;
    const deadline = systemClock.monotonic() + settleMs;
    for (;;) {
      const { listens, connections } = await serverSockets(number, socketPath);
      if (!listens || connections === 0) return listens;
      if (systemClock.monotonic() > deadline) throw stillConnected(socketPath, connections);
      await setTimeout(POLL_MS);
    }
  }

  async #noted(): Promise<string | undefined> {
    try {
      const path = text(record(JSON.parse(await readFile(this.#options.notePath, 'utf8')))['socketPath']);
      // Its directory is removed: it must be one of ours.
      return path !== undefined && basename(dirname(path)).startsWith(DIRECTORY) ? path : undefined;
    } catch (error) {
      if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  async #forget(directory: string): Promise<void> {
    await rm(directory, { recursive: true, force: true });
    await rm(this.#options.notePath, { force: true });
  }
}

function stillConnected(socketPath: string, connections: number): UmbraError {
  const what = `the socket ${socketPath} of QEMU's NBD server was deleted, and programs are connected to it still (${connections})`;
  return new UmbraError('TRACKER_FAILED', what, {
    hint: 'End them, then try again: QEMU would stand still if it were told to stop the server now.',
  });
}

/** @returns the user that made a socket */
export async function ownerOf(path: string): Promise<number> {
  return (await stat(path)).uid;
}

/** What root makes for a QEMU that runs as another user must be that user's. */
export async function giveTo(path: string, owner: number): Promise<void> {
  if (process.getuid?.() === 0 && owner !== 0) await chown(path, owner, -1);
}
