import type { ClientRequest, IncomingMessage } from 'node:http';
import { messageOf, UmbraError } from '../../src/common/errors.js';
import { encodeFrame, readFrames } from '../../src/protocol/frames.js';
import type { AgentTaskLine } from '../../src/protocol/agents-api.js';
import { lines } from '../../src/transport/lines.js';
import { readJson } from '../../src/transport/answer.js';
import type { StreamedRequest } from '../../src/transport/https-transport.js';
import type { Message } from '../../src/transport/message.js';
import type { Connection } from '../send/connection.js';
import type { ServerApi } from './server-api.js';

/** How requests get to the server. */
export interface AgentTransport {
  /** @throws {UmbraError} SERVER_UNREACHABLE, SERVER_UNKNOWN */
  send(message: Message): Promise<IncomingMessage>;
  /** A request whose body is written while its answer is read, on a connection of its own. */
  stream(message: Message): Promise<StreamedRequest>;
}

/** Longer silence on the task stream means that the connection is dead: the server says something every 15 s. */
const SILENCE_LIMIT_MS = 60_000;

/** @param transport - asked for each time: it changes when the certificate is renewed */
export function httpServerApi(transport: () => AgentTransport): ServerApi {
  const post = async (path: string, body: unknown): Promise<void> => {
    await readJson(await transport().send({ method: 'POST', path, body }));
  };
  return {
    tasks: (running, signal) => listen(transport(), running, signal),
    report: (report) => post('/v1/agent/machines', report),
    finish: (outcome) => post('/v1/agent/outcomes', outcome),
    connect: (signal) => connect(transport(), signal),
  };
}

async function* listen(
  transport: AgentTransport,
  running: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<AgentTaskLine> {
  const path = `/v1/agent/tasks?running=${running.join(',')}`;
  const response = await transport.send({ method: 'GET', path: running.length === 0 ? '/v1/agent/tasks' : path });
  if (response.statusCode !== 200) await readJson(response);
  const abort = (): void => {
    response.destroy();
  };
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  response.socket.setTimeout(SILENCE_LIMIT_MS, abort);
  try {
    for await (const line of lines(response)) yield JSON.parse(line) as AgentTaskLine;
  } catch (cause) {
    throw brokenOff(cause);
  } finally {
    signal.removeEventListener('abort', abort);
    response.destroy();
  }
}

async function connect(transport: AgentTransport, signal: AbortSignal): Promise<Connection> {
  const { request, response } = await transport.stream({ method: 'POST', path: '/v1/ingest' });
  if (response.statusCode !== 200) await readJson(response);
  if (signal.aborted) request.destroy();
  let failure: unknown;
  request.on('error', (error) => {
    failure ??= error;
  });
  response.on('error', (error) => {
    failure ??= error;
  });
  return {
    send: async (frame, body) => {
      if (failure !== undefined || request.destroyed) throw brokenOff(failure);
      const [head, data] = encodeFrame(frame, body);
      request.write(head);
      if (request.write(data)) return;
      if (!(await drained(request))) throw brokenOff(failure);
    },
    frames: readFrames(response),
    close: () => {
      request.destroy();
    },
  };
}

/**
 * Wait for room. Leaves no listener behind: it is called for each region.
 * @returns false if the request is over
 */
function drained(request: ClientRequest): Promise<boolean> {
  return new Promise((resolve) => {
    const go = (): void => {
      request.off('drain', go).off('close', go);
      resolve(!request.destroyed);
    };
    request.on('drain', go).on('close', go);
  });
}

function brokenOff(cause: unknown): UmbraError {
  const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
  return new UmbraError('SERVER_UNREACHABLE', `the connection to the server was lost${why}`, { cause });
}
