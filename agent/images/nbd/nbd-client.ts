import { systemClock, type Clock } from '../../../src/common/clock.js';
import { UmbraError } from '../../../src/common/errors.js';
import { Connection, type Question } from './connection.js';
import { ALLOCATION_CONTEXT, ALLOCATION_ZERO, COMMAND, NO_HOLE } from './constants.js';
import type { NbdExport } from './handshake.js';
import type { StatusExtent } from './requests.js';
import { Slots } from './slots.js';

export interface NbdOptions {
  readonly socketPath: string;
  readonly exportName: string;
  /** Meta contexts to ask for: only `base:allocation` when absent. */
  readonly contexts?: readonly string[];
  readonly clock?: Clock;
  /** How much is asked for at a time; as much as any server answers fast when absent. */
  readonly pieceBytes?: number;
  /** How long the server may take for the handshake and for each request but a flush; 60 s when absent. */
  readonly timeoutMs?: number;
}

/**
 * QEMU takes memory for each request. From 128 KiB on the C library has that from the kernel, page by page, and gives it back afterwards, which takes
 * longer than all the rest: 256 MiB cost QEMU 7.2 1.6 s of the processor in pieces of 1 MiB, 0.75 in 96 KiB, and 0.4 in these. They are also the
 * clusters that a qcow2 has where nobody asks for others: a compressed one is unpacked as a whole for each request that touches it.
 */
const PIECE_BYTES = 64 * 1024;
/** QEMU works on so many requests of a client at once. */
const MAX_REQUESTS = 16;
/** Requests that carry no data are limited by their 32-bit length only. */
const MAX_DATALESS_BYTES = 1024 * 1024 * 1024;

/** What the kernel holds of what was written goes to the disk then: gigabytes, and some disks take 20 MB/s. */
const FLUSH_MS = 3_600_000;

/** A range of an export. */
export interface AllocationExtent {
  readonly length: number;
  /** True if the range reads as zeros and need not be read. */
  readonly zero: boolean;
}

/** One connection to an NBD server. Calls may run side by side; a protocol error ends all of them. */
export class NbdClient {
  readonly info: NbdExport;
  readonly #connection: Connection;
  readonly #slots = new Slots(MAX_REQUESTS);
  readonly #pieceBytes: number;

  constructor(connection: Connection, pieceBytes: number) {
    this.info = connection.info;
    this.#connection = connection;
    const { minimumBytes, maximumBytes } = this.info;
    const most = Math.min(Math.max(pieceBytes, minimumBytes), maximumBytes);
    this.#pieceBytes = most - (most % minimumBytes);
  }

  /**
   * Fill `target` from `offset`. Nobody may touch `target` before the promise settles.
   * @throws {UmbraError} IMAGE_FAILED
   */
  async read(target: Uint8Array, offset: number): Promise<void> {
    await this.#inPieces(offset, target.length, this.#pieceBytes, (at, length) => {
      const start = at - offset;
      return { command: COMMAND.read, offset: at, length, target: target.subarray(start, start + length) };
    });
  }

  /**
   * What is allocated from `offset` on: extents without gaps, which may cover less than `length` but
   * not nothing. Where the server can't tell, everything counts as data.
   * @param length - at least 1
   * @throws {UmbraError} IMAGE_FAILED
   */
  async allocation(offset: number, length: number): Promise<readonly AllocationExtent[]> {
    if (!this.info.contexts.has(ALLOCATION_CONTEXT)) {
      return [{ length: Math.min(length, MAX_DATALESS_BYTES), zero: false }];
    }
    const extents = await this.status(ALLOCATION_CONTEXT, offset, length);
    return extents.map((extent) => ({ length: extent.length, zero: (extent.flags & ALLOCATION_ZERO) !== 0 }));
  }

  /**
   * What a meta context says from `offset` on: extents without gaps, which may cover less than `length` but not nothing.
   * @param length - at least 1
   * @throws {UmbraError} IMAGE_FAILED, also if the server has no such context
   */
  async status(context: string, offset: number, length: number): Promise<readonly StatusExtent[]> {
    const number = this.info.contexts.get(context);
    if (number === undefined) throw new UmbraError('IMAGE_FAILED', `the NBD server has no meta context "${context}"`);
    const question = { command: COMMAND.blockStatus, offset, length: Math.min(length, MAX_DATALESS_BYTES) };
    this.#checkRange(question);
    const { statuses } = await this.#slots.use(() => this.#connection.ask(question));
    return statuses.get(number) ?? [];
  }

  /**
   * Nobody may touch `data` before the promise settles.
   * @throws {UmbraError} TARGET_FAILED; IMAGE_FAILED when the connection is lost
   */
  async write(data: Uint8Array, offset: number): Promise<void> {
    await this.#inPieces(offset, data.length, this.#pieceBytes, (at, length) => {
      const start = at - offset;
      return { command: COMMAND.write, offset: at, length, data: data.subarray(start, start + length) };
    });
  }

  /**
   * Make a range read as zeros.
   * @param allocate - keep its space reserved instead of making a hole
   * @throws {UmbraError} TARGET_FAILED, also where the server can't; IMAGE_FAILED when the connection is lost
   */
  async writeZeroes(offset: number, length: number, allocate = false): Promise<void> {
    if (!this.info.canWriteZeroes) throw new UmbraError('TARGET_FAILED', 'the NBD server cannot write zeros');
    await this.#inPieces(offset, length, MAX_DATALESS_BYTES, (at, size) => {
      return { command: COMMAND.writeZeroes, flags: allocate ? NO_HOLE : 0, offset: at, length: size };
    });
  }

  /**
   * What was written is durable when this resolves.
   * @throws {UmbraError} TARGET_FAILED; IMAGE_FAILED when the connection is lost
   */
  async flush(): Promise<void> {
    if (!this.info.canFlush) return;
    await this.#connection.ask({ command: COMMAND.flush, offset: 0, length: 0, timeoutMs: FLUSH_MS });
  }

  /** End the connection in good order. Idempotent; requests under way fail. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Ask side by side, in pieces that begin and end at multiples of their length, as clusters do. Waits for all of them, so that no buffer is in use after a failure. */
  async #inPieces(
    offset: number,
    length: number,
    pieceBytes: number,
    question: (offset: number, length: number) => Question,
  ): Promise<void> {
    this.#checkRange({ offset, length });
    const answers: Promise<unknown>[] = [];
    const end = offset + length;
    for (let at = offset, stop; at < end; at = stop) {
      stop = Math.min(at - (at % pieceBytes) + pieceBytes, end);
      const piece = question(at, stop - at);
      answers.push(this.#slots.use(() => this.#connection.ask(piece)));
    }
    for (const result of await Promise.allSettled(answers)) {
      if (result.status === 'rejected') throw result.reason;
    }
  }

  #checkRange({ offset, length }: Pick<Question, 'offset' | 'length'>): void {
    const { sizeBytes, minimumBytes } = this.info;
    if (offset < 0 || offset + length > sizeBytes) {
      throw new UmbraError('INTERNAL', `NBD request for ${length} bytes at ${offset} of ${sizeBytes}`);
    }
    if (offset % minimumBytes !== 0 || length % minimumBytes !== 0) {
      const what = `${length} bytes at ${offset}, but the server has blocks of ${minimumBytes}`;
      throw new UmbraError('INTERNAL', `NBD request for ${what}`);
    }
  }
}

/**
 * Connect to an NBD server on a Unix socket and choose an export.
 * @throws {UmbraError} IMAGE_FAILED
 */
export async function openNbd(options: NbdOptions): Promise<NbdClient> {
  const { socketPath, exportName, contexts = [ALLOCATION_CONTEXT], pieceBytes = PIECE_BYTES } = options;
  const { clock = systemClock, timeoutMs = 60_000 } = options;
  return new NbdClient(await Connection.open({ socketPath, exportName, contexts, clock, timeoutMs }), pieceBytes);
}
