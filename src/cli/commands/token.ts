import { requests } from '../../client/requests.js';
import { UmbraError } from '../../common/errors.js';
import { checkAdministratorName } from '../../common/names.js';
import type { Args } from '../args.js';
import { textOption, word, type Command } from '../command.js';
import { parseDuration } from '../duration.js';
import { formatTime } from '../format.js';
import type { Session } from '../session.js';
import { formatTable } from '../table.js';

const ACTIONS = ['add', 'list', 'remove'] as const;

export const command: Command = {
  usage: '<ACTION> [NAME]',
  synopsis: 'add NAME [--expires DURATION] | list | remove NAME',
  description: `Give and take the access of administrators, who reach the server over the network. "add" makes a token for NAME and prints
it, once: the server keeps only its hash. "remove" takes it away with every certificate that "umbra login" got with it, at once.`,
  examples: [
    ['umbra token add anna', 'on the server'],
    ['umbra token add ci --expires 90d > /root/ci.token', 'for a program'],
    ['umbra token remove anna', 'at once, also for what runs'],
  ],
  next: 'Next: "umbra login URL" on the administrator\'s machine.',
  positionals: { ACTION: word('add, list or remove'), NAME: word("The administrator's name") },
  options: { expires: textOption('add: how long it is good for: 12h, 90d; for ever without it') },
  run: async (args, session) => {
    args.text('ACTION');
    switch (args.optionalChoice('ACTION', ACTIONS)) {
      case 'add':
        return await add(args, session);
      case 'remove':
        return await remove(args, session);
      default:
        return await list(args, session);
    }
  },
};

async function add(args: Args, session: Session): Promise<'OK'> {
  const name = checkAdministratorName(args.text('NAME'));
  const expires = args.optionalText('expires');
  const life = expires === undefined ? {} : { lifeSeconds: parseDuration(expires, 'expires') };
  const made = await session.call(requests.addToken({ name, ...life }));
  // Alone on standard output, for a file or a pipe.
  session.answer(made, () => `${made.token}\n`);
  if (!session.json) session.environment.stderr.write('The token is shown this once; "umbra login URL" takes it.\n');
  return 'OK';
}

async function list(args: Args, session: Session): Promise<'OK'> {
  refuseExpires(args, 'list');
  if (args.optionalText('NAME') !== undefined) throw new UmbraError('BAD_ARGUMENT', '"list" takes no name');
  const tokens = await session.call(requests.tokens());
  session.answer(tokens, () => {
    if (tokens.length === 0) return 'There are no tokens. "umbra token add NAME" makes one.\n';
    return formatTable(
      [{ title: 'NAME' }, { title: 'MADE' }, { title: 'EXPIRES' }, { title: 'CERTIFICATES', right: true }],
      tokens.map(({ name, created, expires, certificates }) => [
        name,
        formatTime(created),
        expires === undefined ? 'never' : formatTime(expires),
        String(certificates),
      ]),
    );
  });
  return 'OK';
}

async function remove(args: Args, session: Session): Promise<'OK'> {
  refuseExpires(args, 'remove');
  const removed = await session.call(requests.removeToken({ name: checkAdministratorName(args.text('NAME')) }));
  session.answer(removed, () => `removed the token of ${removed.name}, and its certificates\n`);
  return 'OK';
}

function refuseExpires(args: Args, action: string): void {
  if (args.optionalText('expires') === undefined) return;
  throw new UmbraError('BAD_ARGUMENT', `--expires is for "add", not for "${action}"`);
}
