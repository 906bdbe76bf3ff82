import { UmbraError } from '../../common/errors.js';
import { parseServerUrl } from '../../protocol/server-address.js';
import { word, type Command } from '../command.js';
import { formatTime } from '../format.js';
import { givenToken, loginsOf } from '../remote-session.js';

export const command: Command = {
  usage: '<URL>',
  synopsis: 'URL [--token-file FILE]',
  description: `Log in to a server elsewhere with an administrator's token, from --token-file, $UMBRA_TOKEN or standard input. The
command makes a key, gets a certificate for it that is good for 30 days and renewed as it is used, and keeps both for you alone
below ~/.config/umbra ($XDG_CONFIG_HOME). Who the server is follows from the token: it is given to no other.`,
  examples: [
    ['umbra login https://backup.example:7443', 'asks for the token'],
    ['umbra list --server https://backup.example:7443', 'afterwards'],
  ],
  next: 'Next: --server URL or $UMBRA_SERVER makes every command speak to that server; "umbra logout URL" ends it.',
  positionals: { URL: word('The server, as in https://backup.example:7443') },
  options: {},
  run: async (args, session) => {
    const { environment } = session;
    const server = parseServerUrl(args.text('URL'));
    const token = await askedToken(args.optionalText('token-file'), session.environment);
    const { askForLogin, connectWithToken } = await import('../../client/remote-login.js');
    const login = await askForLogin(await connectWithToken(server, token), server, environment.clock);
    await loginsOf(environment).save(login);
    const expires = new Date(login.expiresMs).toISOString();
    const { url, name } = login;
    session.answer({ url, name, expires }, () => `logged in to ${url} as ${name}, until ${formatTime(expires)}\n`);
    return 'OK';
  },
};

async function askedToken(
  tokenFile: string | undefined,
  environment: Parameters<typeof givenToken>[1] & {
    readonly stderr: { readonly write: (text: string) => void; readonly terminalColumns: () => number | undefined };
    readonly readInput: () => Promise<string>;
  },
): Promise<string> {
  const given = await givenToken(tokenFile, environment);
  if (given !== undefined) return given;
  if (environment.stderr.terminalColumns() !== undefined) environment.stderr.write("The administrator's token: ");
  const typed = await environment.readInput();
  if (typed.trim() !== '') return typed;
  throw new UmbraError('BAD_ARGUMENT', 'no token is given', {
    hint: '"umbra token add NAME" on the server\'s machine makes one; give it with --token-file, $UMBRA_TOKEN or on standard input.',
  });
}
