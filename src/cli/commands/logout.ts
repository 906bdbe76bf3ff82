import { requests } from '../../client/requests.js';
import { isUmbraError } from '../../common/errors.js';
import { parseServerUrl, serverUrl } from '../../protocol/server-address.js';
import { word, type Command } from '../command.js';
import { loginsOf } from '../remote-session.js';

export const command: Command = {
  usage: '<URL>',
  synopsis: 'URL',
  description: `End a log-in: the server does not take its certificate any more, and what was kept of it is deleted. If the server can't
be reached, its administrators can remove your token, and with it the certificate.`,
  examples: [['umbra logout https://backup.example:7443', 'on a machine that you leave']],
  next: '"umbra token remove NAME" takes all access away from somebody.',
  positionals: { URL: word('The server') },
  options: {},
  run: async (args, session) => {
    const { environment } = session;
    const server = parseServerUrl(args.text('URL'));
    const url = serverUrl(server);
    const logins = loginsOf(environment);
    const login = await logins.find(server);
    if (login === undefined) {
      session.answer({ url, loggedOut: false }, () => `you were not logged in to ${url}\n`);
      return 'OK';
    }
    const { connectWithLogin } = await import('../../client/remote-login.js');
    const { readJson } = await import('../../transport/answer.js');
    let isTold = true;
    try {
      const transport = await connectWithLogin(login, server, logins, environment.clock);
      await readJson(await transport.send(requests.logout()));
    } catch (error) {
      // One that is not believed any more is out already.
      isTold = isUmbraError(error, 'UNAUTHENTICATED');
      if (!isUmbraError(error)) throw error;
      if (!isTold) environment.stderr.write(`the server was not told: ${error.message}\n`);
    }
    await logins.remove(server);
    session.answer({ url, loggedOut: true, serverTold: isTold }, () => `logged out of ${url}\n`);
    return 'OK';
  },
};
