import { connect, type Socket } from 'node:net';
import { messageOf, UmbraError } from '../../../src/common/errors.js';
import type { ByteRange } from '../../../src/protocol/api.js';
import { fromWireError, isWireError } from '../../../src/protocol/wire-error.js';
import { boundedLines } from './lines.js';
import type { BeginAnswer, ControlRequest, RangesAnswer, StatusAnswer } from './protocol.js';

/** Longer than anything the filter does between a request and its answer: syncing images may take a while. */
const ANSWER_MS = 120_000;

/** A connection to a filter. The filter is a process of ours, so its answers are taken as they are. */
export class FilterClient {
  readonly #socket: Socket;
  readonly #answers: AsyncGenerator<string, undefined>;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#answers = boundedLines(socket);
  }

  /** @throws {UmbraError} TRACKER_UNAVAILABLE when no filter answers there */
  static async connect(socketPath: string): Promise<FilterClient> {
    const socket = connect(socketPath);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', (cause) => {
        reject(
          new UmbraError('TRACKER_UNAVAILABLE', `no filter answers at ${socketPath}: ${cause.message}`, {
            hint: 'Start it: umbra agent filter DIRECTORY',
            cause,
          }),
        );
      });
    });
    // What breaks later is seen by who waits for an answer.
    socket.on('error', () => undefined);
    socket.setTimeout(ANSWER_MS);
    socket.unref();
    return new FilterClient(socket);
  }

  async status(): Promise<StatusAnswer> {
    return (await this.#ask({ op: 'status' })) as StatusAnswer;
  }

  async begin(wish: Omit<Extract<ControlRequest, { readonly op: 'begin' }>, 'op'>): Promise<BeginAnswer> {
    return (await this.#ask({ op: 'begin', ...wish })) as BeginAnswer;
  }

  /** In order, not overlapping. */
  async *ranges(op: 'changes' | 'extents', token: string, name: string): AsyncGenerator<ByteRange> {
    for (let from: number | undefined = 0; from !== undefined;) {
      const answer = (await this.#ask({ op, token, name, from })) as RangesAnswer;
      yield* answer.ranges;
      from = answer.next;
    }
  }

  /** Why a view is lost; undefined when it is not. */
  async lostReason(token: string): Promise<string | undefined> {
    const view = (await this.status()).views.find((of) => of.token === token);
    return view === undefined ? 'the checkpoint has ended' : view.broken;
  }

  async acknowledge(token: string): Promise<void> {
    await this.#ask({ op: 'acknowledge', token });
  }

  async end(token: string): Promise<void> {
    await this.#ask({ op: 'end', token });
  }

  async forget(group: string): Promise<void> {
    await this.#ask({ op: 'forget', group });
  }

  /** The views of this connection end with it. */
  close(): void {
    this.#socket.destroy();
  }

  /** One request after the other. */
  async #ask(request: ControlRequest): Promise<unknown> {
    const before = this.#last;
    const mine = before.then(() => this.#exchange(request));
    this.#last = mine.catch(() => undefined);
    return await mine;
  }

  async #exchange(request: ControlRequest): Promise<unknown> {
    this.#socket.ref();
    const onTimeout = (): void => {
      this.#socket.destroy();
    };
    this.#socket.on('timeout', onTimeout);
    try {
      this.#socket.write(`${JSON.stringify(request)}\n`);
      const answer: IteratorResult<string, undefined> = await this.#answers.next();
      if (answer.done === true) throw new UmbraError('TRACKER_FAILED', 'the filter ended');
      return resultOf(JSON.parse(answer.value));
    } catch (error) {
      if (error instanceof UmbraError) throw error;
      throw new UmbraError('TRACKER_FAILED', `the filter does not answer: ${messageOf(error)}`, { cause: error });
    } finally {
      this.#socket.off('timeout', onTimeout);
      this.#socket.unref();
    }
  }
}

function resultOf(answer: unknown): unknown {
  if (typeof answer === 'object' && answer !== null) {
    if ('ok' in answer) return answer.ok;
    if ('error' in answer && isWireError(answer.error)) throw fromWireError(answer.error);
  }
  throw new UmbraError('TRACKER_FAILED', 'the filter gave an answer that is none');
}
