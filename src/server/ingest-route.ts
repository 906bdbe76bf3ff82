import type { IncomingMessage, ServerResponse } from 'node:http';
import { UmbraError } from '../common/errors.js';
import type { Clock } from '../common/clock.js';
import { BodyMemory } from '../protocol/body-memory.js';
import { ByteBudget } from '../ingest/byte-budget.js';
import type { Sender } from '../ingest/sender.js';
import type { RunUpload } from '../ingest/uploads.js';
import { encodeFrame, FRAMES_TYPE, MAX_BODY_BYTES, readFrames, type WireFrame } from '../protocol/frames.js';
import { SILENCE_LIMIT_MS, type ServerFrame } from '../protocol/ingest.js';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '../protocol/version.js';
import type { ShadowCopyRecord } from '../store/records.js';
import { AGENT_FRAME } from '../ingest/agent-frames.js';
import { describeCaller, SENDERS, type Caller } from './caller.js';
import { FRAMES_WHAT } from './route-description.js';
import { noParams } from './request-params.js';
import type { Exchange, Route } from './exchange.js';
import { runJob, type RunOperationOptions } from './run-operation.js';

/** What all agents together may have in memory of regions that are not worked off. */
const BUDGET_BYTES = 16 * MAX_BODY_BYTES;
/** An agent that reads nothing of what it is told is not listened to either. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** What the bodies of all agents' frames share. */
interface Room {
  readonly budget: ByteBudget;
  readonly memory: BodyMemory;
}

/** The route of the bulk stream by which agents, and administrators, send shadow copies. */
export function ingestRoute(options: RunOperationOptions): Route {
  const room = { budget: new ByteBudget(BUDGET_BYTES), memory: new BodyMemory() };
  return {
    method: 'POST',
    route: '/v1/ingest',
    permission: SENDERS,
    anyProtocol: false,
    description: {
      summary: 'Send a shadow copy',
      details:
        'Frames go both ways at once. Whoever sends begins or resumes, sends the regions of each volume in order, and ends; the server ' +
        'says what it wants, what is settled, and what came of it. Errors come as a frame, after the status 200. An agent sends what the ' +
        'server waits for; an administrator sends images of his machine when he likes, and is told what was new to the store.',
      params: noParams,
      body: { type: FRAMES_TYPE, what: FRAMES_WHAT, parts: AGENT_FRAME },
      answer: { as: 'media', type: FRAMES_TYPE, what: `Frames of the server. ${FRAMES_WHAT}` },
    },
    answer: (exchange) => ingest(exchange, room, options),
  };
}

async function ingest(exchange: Exchange, room: Room, options: RunOperationOptions): Promise<void> {
  const { caller, request, response } = exchange;
  if (caller === undefined) throw new UmbraError('INTERNAL', 'a stranger sends a shadow copy');
  const sender = senderOf(caller);
  const services = await options.services();
  const { engine } = services;
  response.writeHead(200, { 'content-type': FRAMES_TYPE, [PROTOCOL_HEADER]: PROTOCOL_VERSION });
  response.flushHeaders();
  const asked = { caller, gone: new AbortController().signal };
  const run: RunUpload = async (upload, work) => {
    let record: ShadowCopyRecord | undefined;
    await runJob(
      asked,
      {
        claim: { kind: 'backup', machine: upload.machine },
        what: `${upload.machine} from ${sender.name}`,
        run: async (_, { signal, progress, ingested }) => {
          record = await work(signal, progress);
          ingested(upload.newBytes);
        },
      },
      services,
      options,
    );
    if (record === undefined) throw new UmbraError('INTERNAL', 'an upload ended without a shadow copy');
    return record;
  };
  const frames = budgetedFrames(request, room, options.clock);
  try {
    await engine.uploads().serve({
      sender,
      frames,
      send: frameWriter(response),
      authorize: (machine) => {
        // An administrator may add to any machine, as he may delete of any.
        return sender.host === undefined ? 'shadow-copy' : engine.fleet().awaited(machine, sender.host);
      },
      runJob: run,
    });
  } finally {
    response.end();
    // If it waits for more it only ends when the connection does, after the answer.
    void frames.return();
  }
}

/** A host's name has no spaces: no agent is called as an administrator is. */
function senderOf(caller: Caller): Sender {
  if (caller.role === 'agent') return { name: caller.host, host: caller.host };
  return { name: describeCaller(caller) };
}

/** Writes frames to an answer. What nobody reads is not kept for ever. */
function frameWriter(response: ServerResponse): (frame: ServerFrame) => void {
  return (frame) => {
    const [head] = encodeFrame(frame);
    response.write(head);
    if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  };
}

/**
 * The frames of a request. A body is only read when there is room for it, and counts until it is released. An agent that is
 * silent for too long, or sends a frame too slowly, is cut off.
 */
async function* budgetedFrames(
  request: IncomingMessage,
  { budget, memory }: Room,
  clock: Clock,
): AsyncGenerator<WireFrame, void> {
  let release = (): void => undefined;
  const admit = async (bytes: number): Promise<Buffer> => {
    await budget.take(bytes);
    const body = memory.take(bytes);
    release = once(() => {
      memory.giveBack(body);
      budget.giveBack(bytes);
    });
    return body;
  };
  const watch = (): (() => void) =>
    clock.after(SILENCE_LIMIT_MS, () => {
      request.destroy(new UmbraError('CANCELLED', 'the agent was silent for too long'));
    });
  let stop = watch();
  try {
    for await (const frame of readFrames(request, admit)) {
      stop();
      const given = { ...frame, release };
      release = () => undefined;
      yield given;
      stop = watch();
    }
  } finally {
    stop();
    release();
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}
