import { UmbraError } from '../common/errors.js';
import type { AgentTaskLine } from '../protocol/agents-api.js';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '../protocol/version.js';
import { STREAM_TYPE } from '../protocol/wire.js';
import { hostOf } from './agent-operations.js';
import { tasksParams } from './agent-params.js';
import { taskLine } from './answers/agent-answers.js';
import { AGENTS } from './caller.js';
import type { Exchange, Route } from './exchange.js';
import { readParams } from './http-request.js';
import type { RunOperationOptions } from './run-operation.js';

/** So often something is sent, so that a dead connection is noticed on either side. */
const PULSE_MS = 15_000;
const MAX_UNREAD_BYTES = 1024 * 1024;
const MAX_RUNNING = 1000;

/** The route at which an agent listens for what it is to do, for as long as it runs. */
export function agentTasksRoute(options: RunOperationOptions): Route {
  return {
    method: 'GET',
    route: '/v1/agent/tasks',
    permission: AGENTS,
    anyProtocol: false,
    description: {
      summary: 'Listen for what the agent is to do',
      details:
        'Open for as long as the agent runs. "running" has the numbers of the tasks that it has not answered, with commas between.',
      params: tasksParams,
      answer: {
        as: 'media',
        type: STREAM_TYPE,
        what: 'One JSON document a line: a task, or one that is not wanted any more; an empty object every 15 seconds.',
        parts: taskLine.schema,
      },
    },
    answer: (exchange) => listen(exchange, options),
  };
}

async function listen(exchange: Exchange, { services, clock, log, stopping }: RunOperationOptions): Promise<void> {
  const { caller, request, response, url, gone } = exchange;
  if (caller === undefined) throw new UmbraError('INTERNAL', 'a stranger listens for tasks');
  const host = hostOf(caller);
  const { running = '' } = tasksParams(await readParams(request, url), '');
  const ids = running.split(',').filter((id) => id !== '');
  if (ids.length > MAX_RUNNING) throw new UmbraError('BAD_ARGUMENT', '"running" names too many tasks');
  const { connections } = (await services()).engine.fleet();
  response.writeHead(200, {
    'content-type': STREAM_TYPE,
    'cache-control': 'no-store',
    [PROTOCOL_HEADER]: PROTOCOL_VERSION,
  });
  const send = (line: AgentTaskLine): void => {
    response.write(`${JSON.stringify(line)}\n`);
    if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
  };
  await untilOver([gone, stopping], (end) => {
    const disconnect = connections.connect(host, ids, { send, close: end });
    log.info('agent connected', { host });
    let stopPulse = (): void => undefined;
    const pulse = (): void => {
      send({});
      stopPulse = clock.after(PULSE_MS, pulse);
    };
    pulse();
    return () => {
      stopPulse();
      disconnect();
      log.info('agent disconnected', { host });
    };
  });
  response.end();
}

/** Begin something and end it when a signal says so, or it does itself. */
async function untilOver(signals: readonly AbortSignal[], begin: (end: () => void) => () => void): Promise<void> {
  let stop = (): void => undefined;
  await new Promise<void>((resolve) => {
    stop = begin(resolve);
    for (const signal of signals) {
      signal.addEventListener('abort', () => {
        resolve();
      });
      if (signal.aborted) resolve();
    }
  });
  stop();
}
