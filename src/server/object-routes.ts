import { UmbraError } from '../common/errors.js';
import { encodeFrame, FRAMES_TYPE, readFrames, type WireFrame } from '../protocol/frames.js';
import { LEASE_SILENCE_MS, type LeaseAnswer } from '../protocol/objects-api.js';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '../protocol/version.js';
import { toWireError } from '../protocol/wire-error.js';
import { ObjectType } from '../codec/formats.js';
import { ByteAnswer } from './byte-answer.js';
import { describeCaller, READERS, type Caller } from './caller.js';
import type { Exchange, Route } from './exchange.js';
import { readParams, sendJson } from './http-request.js';
import type { ObjectAccess } from './object-access.js';
import { TYPE_OF_KIND } from './object-access.js';
import { DESCRIPTIONS } from './object-descriptions.js';
import { leaseFrame, readObjectsParams, recordParams, shadowCopiesParams } from './object-params.js';
import { ObjectSessions, type ObjectSession } from './object-sessions.js';
import { runJob, type RunOperationOptions } from './run-operation.js';
import { ObjectBudget, sendObjects } from './send-objects.js';

/** A client that reads nothing of what it is told is not listened to either. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** The routes at which clients elsewhere read shadow copies by their objects. */
export function objectRoutes(options: RunOperationOptions): readonly Route[] {
  const sessions = new ObjectSessions();
  const budget = new ObjectBudget();
  const route = (method: Route['method'], path: keyof typeof DESCRIPTIONS, answer: Answer): Route => ({
    method,
    route: `/v1/objects/${path}`,
    description: DESCRIPTIONS[path],
    permission: READERS,
    anyProtocol: false,
    answer: async (exchange) => {
      const { caller } = exchange;
      if (caller === undefined) throw new UmbraError('INTERNAL', 'a stranger reads shadow copies');
      await answer(exchange, caller, (await options.services()).engine.objects());
    },
  });
  return [
    route('GET', 'shadow-copies', list),
    route('GET', 'record', record),
    route('POST', 'lease', (exchange, caller, access) => lease(exchange, caller, access, sessions, options)),
    route('POST', 'read', async ({ request, response, url, gone }, caller, access) => {
      const { session, kind, digests, places, checked } = readObjectsParams(await readParams(request, url), '');
      const { clock } = options;
      await access.assertMayReadObjects(sessions.find(session, caller), kind, digests, places);
      response.writeHead(200, { 'content-type': FRAMES_TYPE, [PROTOCOL_HEADER]: PROTOCOL_VERSION });
      const { reader, objectStore } = access.store;
      const { seal } = objectStore;
      const what = { type: TYPE_OF_KIND[kind], digests, checked: checked === true };
      await sendObjects({ response, reader, seal, ...what, caller, budget, clock, gone });
    }),
  ];
}

type Answer = (exchange: Exchange, caller: Caller, access: ObjectAccess) => Promise<void>;

async function list({ request, response, url }: Exchange, caller: Caller, access: ObjectAccess): Promise<void> {
  const { known } = shadowCopiesParams(await readParams(request, url), '');
  sendJson(response, 200, access.list(caller, known));
}

async function record({ request, response, url }: Exchange, caller: Caller, access: ObjectAccess): Promise<void> {
  const params = recordParams(await readParams(request, url), '');
  const listing = access.find(caller, params.machine, params.version, params.record);
  const bytes = await access.store.reader.read(ObjectType.record, listing.record);
  const answer = new ByteAnswer(response);
  answer.begin({ sizeBytes: bytes.length, shadowCopy: listing.name });
  await answer.write(bytes);
  answer.end();
}

/** A job for as long as the client is connected: the store is not rebuilt meanwhile. */
async function lease(
  { request, response, gone }: Exchange,
  caller: Caller,
  access: ObjectAccess,
  sessions: ObjectSessions,
  options: RunOperationOptions,
): Promise<void> {
  const claim = { kind: 'lease' } as const;
  options.jobs.refuse(claim);
  response.writeHead(200, { 'content-type': FRAMES_TYPE, [PROTOCOL_HEADER]: PROTOCOL_VERSION });
  const send = (answer: LeaseAnswer): void => {
    response.write(encodeFrame(answer)[0]);
    if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  };
  const session = sessions.open(caller);
  send({ t: 'session', session: session.id });
  const frames = readFrames(request);
  const silence = new Silence(options, () => request.destroy());
  const what = `shadow copies read by ${describeCaller(caller)}`;
  const run = (_: unknown, { signal }: { readonly signal: AbortSignal }): Promise<void> =>
    untilAborted(
      listen(frames, {
        session,
        access,
        send,
        heard: () => {
          silence.broken();
        },
      }),
      signal,
    );
  try {
    await runJob({ caller, gone }, { claim, what, run }, await options.services(), options);
  } catch (error) {
    if (!response.destroyed) send({ t: 'error', error: toWireError(error) });
  } finally {
    silence.stop();
    sessions.close(session);
    response.end();
    // If it waits for more it only ends when the connection does, after the answer.
    void frames.return();
  }
}

interface Listener {
  readonly session: ObjectSession;
  readonly access: ObjectAccess;
  readonly send: (answer: LeaseAnswer) => void;
  readonly heard: () => void;
}

async function listen(frames: AsyncIterable<WireFrame>, listener: Listener): Promise<void> {
  for await (const { header, body } of frames) {
    if (body.length > 0) throw new UmbraError('BAD_ARGUMENT', 'a frame about a lease has a body');
    listener.heard();
    hear(leaseFrame(header), listener);
  }
}

function hear(frame: ReturnType<typeof leaseFrame>, { session, access, send }: Listener): void {
  if (frame.t === 'alive') {
    send(frame);
  } else if (frame.t === 'drop') {
    session.drop(frame.lease);
  } else {
    const { lease, machine, shadowCopy, holder } = frame;
    try {
      const listing = access.find(session.caller, machine, shadowCopy, frame.record);
      session.take(lease, listing, () => access.store.leases.take(listing, holder));
      send({ t: 'taken', lease });
    } catch (error) {
      send({ t: 'refused', lease, error: toWireError(error) });
    }
  }
}

/** @throws why it was aborted */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => {
      reject(signal.reason instanceof Error ? signal.reason : new UmbraError('CANCELLED', 'cancelled'));
    };
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    // What is left of it ends with the connection.
    work.catch(() => undefined);
  }
}

/** Calls when nothing was heard for too long. */
class Silence {
  readonly #clock: RunOperationOptions['clock'];
  readonly #onSilence: () => void;
  #cancel: () => void;

  constructor({ clock }: Pick<RunOperationOptions, 'clock'>, onSilence: () => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
    this.#cancel = clock.after(LEASE_SILENCE_MS, onSilence);
  }

  broken(): void {
    this.#cancel();
    this.#cancel = this.#clock.after(LEASE_SILENCE_MS, this.#onSilence);
  }

  stop(): void {
    this.#cancel();
  }
}
