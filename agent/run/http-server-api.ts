import type { IncomingMessage } from 'node:http';
import type { AgentTaskLine } from '../../src/protocol/agents-api.js';
import { lines } from '../../src/transport/lines.js';
import { readJson } from '../../src/transport/answer.js';
import type { Message } from '../../src/transport/message.js';
import { brokenOff, openIngest, type IngestTransport } from '../send/ingest-connection.js';
import type { ServerApi } from './server-api.js';

/** How requests get to the server. */
export interface AgentTransport extends IngestTransport {
  /** @throws {UmbraError} SERVER_UNREACHABLE, SERVER_UNKNOWN */
  send(message: Message): Promise<IncomingMessage>;
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
    alive: () => post('/v1/agent/alive', {}),
    finish: (outcome) => post('/v1/agent/outcomes', outcome),
    connect: (signal) => openIngest(transport(), signal),
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
