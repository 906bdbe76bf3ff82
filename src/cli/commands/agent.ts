import { hostname } from 'node:os';
import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import { checkHostName } from '../../common/names.js';
import type { RevokedAgent } from '../../protocol/access-api.js';
import { parseServerUrl } from '../../protocol/server-address.js';
import type { Args } from '../args.js';
import { textOption, word, type Command } from '../command.js';
import { parseDuration } from '../duration.js';
import { formatTime } from '../format.js';
import type { Session } from '../session.js';

const ACTIONS = ['invite', 'enrol', 'run', 'filter', 'revoke'] as const;
type Action = (typeof ACTIONS)[number];

/** Which options belong to which action. */
const OPTIONS: Readonly<Record<Action, readonly string[]>> = {
  invite: ['expires'],
  enrol: ['token', 'state', 'host'],
  run: ['config', 'state'],
  filter: ['config', 'state'],
  revoke: [],
};

/** Where an agent keeps what it knows. */
const DEFAULT_STATE = '/var/lib/umbra-agent';
const DEFAULT_EXPIRY = '1h';

export const command: Command = {
  usage: '<ACTION> [TARGET]',
  synopsis:
    'invite HOST [--expires 1h] | enrol --server URL --token T [--state DIR] [--host NAME] | run [--config FILE] [--state DIR] |\n  filter DIRECTORY [--config FILE] [--state DIR] | revoke HOST',
  description: `Let the agents of hosts in, and out. "invite" makes a join token for one host, for one use, and prints the command that
is to be run there. That is "enrol": it makes a key, gets a certificate for it that is good for a day and renewed by the agent
itself, and keeps both in the state directory. The token says who the server is; no other is given it. "run" is the agent: it
finds the host's machines, follows the changes of those that are protected, and sends what changed. --config names a file of YAML
with state, libvirt (auto, off or a URI), qmp, configFiles, directories, filters, scratch, quiesce, freezeSeconds, scripts, backups
and discoverSeconds. "filter" puts a file system over a directory of images that records what is written to them; start it before
the machines, and name the directory under "filters"; "umount DIRECTORY" ends it. "revoke" lets an agent
out at once, and withdraws an invitation that was not used.`,
  examples: [
    ['umbra agent invite hv1', 'on the server, or with --server'],
    ['umbra agent enrol --server https://backup.example:7443 --token umbra-join-…', 'on hv1'],
    ['umbra agent run --config /etc/umbra/agent.yaml', 'on hv1, by its service manager'],
    ['umbra agent revoke hv1', 'when the host is gone, or not trusted any more'],
  ],
  next: 'Next: "umbra agents" shows who is enrolled and who is invited.',
  positionals: {
    ACTION: word('invite, enrol, run, filter or revoke'),
    TARGET: word('invite, revoke: the name of the host; filter: the directory'),
  },
  options: {
    expires: textOption(`invite: how long the token is good for; ${DEFAULT_EXPIRY} without it`),
    token: textOption('enrol: the join token'),
    config: textOption('run, filter: a file of YAML that says where to look for machines'),
    state: textOption(`enrol, run, filter: where the agent keeps what it knows; ${DEFAULT_STATE} without it`),
    host: textOption("enrol: the host's name, as it was invited; without it, what the host calls itself"),
  },
  run: async (args, session) => {
    args.text('ACTION');
    const action = args.optionalChoice('ACTION', ACTIONS) ?? 'invite';
    refuseOthers(args, action);
    switch (action) {
      case 'invite':
        return await invite(args, session);
      case 'enrol':
        return await enrol(args, session);
      case 'run':
        return await run(args, session);
      case 'filter':
        return await (await import('../agent-filter.js')).startFilterCommand(args, session);
      case 'revoke':
        return await revoke(args, session);
    }
  },
};

async function invite(args: Args, session: Session): Promise<'OK'> {
  const host = checkHostName(args.text('TARGET'));
  const lifeSeconds = parseDuration(args.optionalText('expires') ?? DEFAULT_EXPIRY, 'expires');
  const made = await session.call(requests.inviteAgent({ host, lifeSeconds }));
  const server = session.isRemote ? session.place : (made.urls[0] ?? 'https://SERVER:7443');
  // What the host calls itself may be another name.
  const line = `umbra agent enrol --server ${server} --host ${host} --token ${made.token}`;
  session.answer({ ...made, command: line }, () => {
    const known = made.isEnrolled ? `${host} is enrolled already; its agent is out when the token is used.\n` : '';
    return `${known}Run this on ${host}, as root, until ${formatTime(made.expires)}:\n\n  ${line}\n`;
  });
  return 'OK';
}

async function enrol(args: Args, session: Session): Promise<'OK'> {
  if (args.optionalText('TARGET') !== undefined) {
    throw new UmbraError('BAD_ARGUMENT', '"enrol" takes the name of the host with --host');
  }
  const server = args.optionalText('server') ?? session.environment.variables['UMBRA_SERVER'] ?? '';
  if (server === '') throw new UmbraError('BAD_ARGUMENT', '--server is missing');
  const { enrolAgent } = await import('../../../agent/enrol/agent-identity.js');
  const directory = args.absolute(args.optionalText('state') ?? DEFAULT_STATE);
  const {
    host,
    server: url,
    expiresMs,
  } = await enrolAgent({
    server: parseServerUrl(server),
    token: args.text('token'),
    host: checkHostName(args.optionalText('host') ?? hostname()),
    directory,
    clock: session.environment.clock,
  });
  const expires = new Date(expiresMs).toISOString();
  session.answer({ host, server: url, directory, expires }, () => `${host} is enrolled at ${url}\n`);
  return 'OK';
}

async function run(args: Args, session: Session): Promise<'OK'> {
  if (args.optionalText('TARGET') !== undefined) throw new UmbraError('BAD_ARGUMENT', '"run" takes no host');
  const { runAgentCommand } = await import('../agent-run.js');
  return await runAgentCommand(args, session);
}

async function revoke(args: Args, session: Session): Promise<'OK'> {
  const revoked = await session.call(requests.revokeAgent({ host: checkHostName(args.text('TARGET')) }));
  session.answer(revoked, () => describeRevoked(revoked));
  return 'OK';
}

function describeRevoked({ host, enrolled, invitations }: RevokedAgent): string {
  const out = enrolled === undefined ? '' : `the agent of ${host} is out\n`;
  return invitations === 0 ? out : `${out}the invitation of ${host} is withdrawn\n`;
}

function refuseOthers(args: Args, action: Action): void {
  for (const [other, options] of Object.entries(OPTIONS)) {
    const own = OPTIONS[action];
    const foreign = options.find((option) => !own.includes(option) && args.optionalText(option) !== undefined);
    if (foreign !== undefined) {
      throw new UmbraError('BAD_ARGUMENT', `--${foreign} is for "${other}", not for "${action}"`);
    }
  }
}
