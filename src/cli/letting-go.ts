import { printable } from '../common/printable.js';
import type { LettingGo } from '../protocol/agents-api.js';

/** What is to be known of what an agent kept of a machine that is no longer protected, and what to do; nothing if it is gone. */
export function describeLettingGo(name: string, host: string, { agent, left }: LettingGo): readonly string[] {
  if (agent === 'done') return [];
  if (agent === 'working') {
    return [
      `The agent of ${host} is taking away what it kept there: "umbra machines ${name}" says whether something is left.`,
    ];
  }
  if (agent === 'unreachable') {
    return [`The agent of ${host} is not connected: it takes away what it kept there when it is back.`];
  }
  const { message, hint } = left ?? { message: 'it does not say why' };
  return [
    `The agent of ${host} could not take away all that it kept there: ${printable(message)}`,
    ...(hint === undefined ? [] : [printable(hint)]),
    `It tries again with "umbra unprotect ${name}".`,
  ];
}
