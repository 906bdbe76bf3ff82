import { requests } from '../../client/requests.js';
import type { AgentInfo } from '../../protocol/access-api.js';
import type { Command } from '../command.js';
import { formatTime } from '../format.js';
import { formatTable } from '../table.js';

export const command: Command = {
  usage: '',
  synopsis: '',
  description:
    'List the hosts whose agents are enrolled (since when, until when their certificates are good, when they were seen) or invited.',
  examples: [['umbra agents --server https://backup.example:7443', 'of a server elsewhere']],
  next: 'Next: "umbra agent invite HOST" lets another one in, "umbra agent revoke HOST" lets one out.',
  positionals: {},
  options: {},
  run: async (_args, session) => {
    const agents = await session.call(requests.agents());
    session.answer(agents, () => describe(agents));
    return 'OK';
  },
};

function describe(agents: readonly AgentInfo[]): string {
  if (agents.length === 0) return 'No agent is enrolled or invited. "umbra agent invite HOST" lets one in.\n';
  const columns = ['HOST', 'ENROLLED', 'CERTIFICATE UNTIL', 'LAST SEEN', 'REVOKED', 'INVITED UNTIL'].map((title) => ({
    title,
  }));
  const time = (iso: string | undefined): string => (iso === undefined ? '-' : formatTime(iso));
  const rows = agents.map(({ host, enrolled, certificateExpires, lastSeen, revoked, invitedUntil }) => [
    host,
    time(enrolled),
    time(certificateExpires),
    time(lastSeen),
    time(revoked),
    time(invitedUntil),
  ]);
  return formatTable(columns, rows);
}
