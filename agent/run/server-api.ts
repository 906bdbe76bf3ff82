import type { AgentTaskLine, DiscoveryReport, TaskOutcome } from '../../src/protocol/agents-api.js';
import type { Connect } from '../send/connection.js';

/** What an agent asks of its server. Each rejects with SERVER_UNREACHABLE when the server can't be spoken to. */
export interface ServerApi {
  /**
   * Listen for what to do, until the connection is lost or the signal is aborted.
   * @param running - the tasks that the agent is at
   */
  tasks(running: readonly string[], signal: AbortSignal): AsyncIterable<AgentTaskLine>;
  report(report: DiscoveryReport): Promise<void>;
  /** Say that the agent lives, and is at its tasks. */
  alive(): Promise<void>;
  finish(outcome: TaskOutcome): Promise<void>;
  /** Opens the bulk stream. */
  readonly connect: Connect;
}
