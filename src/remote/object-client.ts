import type { IncomingMessage } from 'node:http';
import { byteStream } from '../client/byte-stream.js';
import { digestOf, sameBytes, toHex } from '../codec/digest.js';
import { MAX_OBJECT_BYTES, ObjectType } from '../codec/formats.js';
import type { Clock } from '../common/clock.js';
import { messageOf, isUmbraError, UmbraError } from '../common/errors.js';
import { readFrames, type WireFrame } from '../protocol/frames.js';
import type { ObjectKind, ReadObjectsRequest, ShadowCopiesAnswer } from '../protocol/objects-api.js';
import { fromWireError, isWireError } from '../protocol/wire-error.js';
import type { Listing } from '../store/catalog.js';
import { damaged, type FrameResult } from '../store/object-reader.js';
import { errorOf, readJson } from '../transport/answer.js';
import type { StreamedRequest } from '../transport/https-transport.js';
import type { Message } from '../transport/message.js';
import { brokenOff, STALL_MS } from './patience.js';

/** How requests get to the server. */
export interface ServerLink {
  /** @throws {UmbraError} SERVER_UNREACHABLE, SERVER_UNKNOWN, UNAUTHENTICATED */
  send(message: Message): Promise<IncomingMessage>;
  /** A request whose body is written while its answer is read, on a connection of its own. */
  stream(message: Message): Promise<StreamedRequest>;
}

/** Asks a server for shadow copies and objects, once each: who wants more patience has it. */
export class ObjectClient {
  readonly #link: ServerLink;
  readonly #clock: Clock;

  constructor(link: ServerLink, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  /** @param known the tag of what is known already */
  async list(known: string | undefined): Promise<ShadowCopiesAnswer> {
    const query = known === undefined ? '' : `?known=${encodeURIComponent(known)}`;
    const response = await this.#send({ method: 'GET', path: `/v1/objects/shadow-copies${query}` });
    return (await readJson(response)) as ShadowCopiesAnswer;
  }

  /** The record of a shadow copy, checked by its digest. @throws {UmbraError} NOT_FOUND when it was deleted, STORE_DAMAGED */
  async record({ machine, name, record }: Listing): Promise<Uint8Array> {
    const query = new URLSearchParams({ machine, version: name, record: toHex(record) }).toString();
    const response = await this.#send({ method: 'GET', path: `/v1/objects/record?${query}` });
    if (response.statusCode !== 200) throw await errorOf(response);
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of byteStream(response).pieces) {
      bytes += piece.length;
      if (bytes > MAX_OBJECT_BYTES) throw damaged(ObjectType.record, record, 'what the server sends is too long');
      pieces.push(piece);
    }
    const plain = Buffer.concat(pieces);
    if (sameBytes(digestOf(plain), record)) return plain;
    throw damaged(ObjectType.record, record, 'the server sends something else');
  }

  /**
   * Objects as they are stored; nothing about them is believed yet.
   * @param take is given each as it comes, in order
   * @throws {UmbraError} NOT_FOUND when the session has ended; SERVER_UNREACHABLE, also in the midst of it
   */
  async read(
    request: {
      readonly session: string;
      readonly kind: ObjectKind;
      readonly digests: readonly Uint8Array[];
      readonly checked?: true;
    },
    take: (result: FrameResult) => void,
  ): Promise<void> {
    const body: ReadObjectsRequest = { ...request, digests: request.digests.map(toHex) };
    const response = await this.#send({ method: 'POST', path: '/v1/objects/read', body });
    if (response.statusCode !== 200) throw await errorOf(response);
    let left = request.digests.length;
    const watch = this.#watch(response);
    try {
      for await (const frame of readFrames(response)) {
        watch.again();
        if (isEnd(frame)) break;
        if (left-- === 0) throw new UmbraError('SERVER_UNREACHABLE', 'the server sends more than was asked for');
        take(resultOf(frame));
      }
    } catch (error) {
      throw isUmbraError(error) ? error : brokenOff(messageOf(error));
    } finally {
      watch.stop();
      // What was read to its end keeps its connection.
      if (response.complete) response.resume();
      else response.destroy();
    }
    if (left > 0) throw brokenOff();
  }

  /** A server that accepts a request and says nothing must not be waited for for ever. */
  async #send(message: Message): Promise<IncomingMessage> {
    let cancel = (): void => undefined;
    const silence = new Promise<never>((_resolve, reject) => {
      cancel = this.#clock.after(STALL_MS, () => {
        reject(brokenOff('it does not answer'));
      });
    });
    const answer = this.#link.send(message);
    answer.catch(() => undefined);
    try {
      return await Promise.race([answer, silence]);
    } finally {
      cancel();
    }
  }

  #watch(response: IncomingMessage): { readonly again: () => void; readonly stop: () => void } {
    const begin = (): (() => void) => this.#clock.after(STALL_MS, () => response.destroy());
    let stop = begin();
    return {
      again: () => {
        stop();
        stop = begin();
      },
      stop: () => {
        stop();
      },
    };
  }
}

/** @throws {UmbraError} the error that the server ends with */
function isEnd({ header }: WireFrame): boolean {
  if (isWireError(header['error'])) throw fromWireError(header['error']);
  return header['end'] === true;
}

function resultOf({ header, body }: WireFrame): FrameResult {
  const { fault } = header;
  return typeof fault === 'string' ? { fault } : { frame: body };
}
