import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';

/** A mail that a server took, or was about to. */
export interface TakenMail {
  readonly from: string;
  readonly to: readonly string[];
  /** All of it, as it came. */
  readonly data: string;
  readonly user: string | null;
  readonly isEncrypted: boolean;
}

export interface SmtpSink {
  readonly port: number;
  readonly mails: readonly TakenMail[];
  /** Resolves when it has said so many: its yes may be here sooner. */
  readonly until: (count: number) => Promise<void>;
}

/** Debian's aiosmtpd is for Debian's Python. What it does is said by the names of recipients. */
const PROGRAM = `
import asyncio, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
cert, key, mode = sys.argv[1:4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
tried = set()
def say(value):
    print(json.dumps(value), flush=True)
def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b'umbra', b'secret word')
    return AuthResult(success=good, handled=False, auth_data='umbra' if good else None)
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('refused'):
            return '550 5.1.1 \\x1b[31mno such user'
        if address.startswith('later') and address not in tried:
            tried.add(address)
            return '450 4.7.1 try again later'
        envelope.rcpt_tos.append(address)
        return '250 OK'
    async def handle_DATA(self, server, session, envelope):
        say({'from': envelope.mail_from, 'to': envelope.rcpt_tos, 'data': envelope.content.decode('latin1'),
             'user': session.auth_data, 'isEncrypted': session.ssl is not None or mode == 'tls'})
        if any(address.startswith('full') for address in envelope.rcpt_tos):
            return '452 4.3.1 no room'
        if any(address.startswith('lost') for address in envelope.rcpt_tos):
            server.transport.abort()
        return '250 OK'
class Sink(SMTP):
    async def smtp_DATA(self, arg):
        if not any(address.startswith('cut') for address in self.envelope.rcpt_tos):
            return await super().smtp_DATA(arg)
        await self.push('354 go on')
        await self._reader.readline()
        self.transport.abort()
def sink():
    if mode == 'none':
        return Sink(Handler(), hostname='sink', ident='sink')
    return Sink(Handler(), hostname='sink', ident='sink', authenticator=authenticate, auth_required=True,
                auth_require_tls=mode == 'starttls', require_starttls=mode == 'starttls',
                tls_context=context if mode == 'starttls' else None)
async def main():
    server = await asyncio.get_running_loop().create_server(sink, '127.0.0.1', 0, ssl=context if mode == 'tls' else None)
    say(server.sockets[0].getsockname()[1])
    await server.serve_forever()
asyncio.run(main())
`;

/** A mail server with one user, `umbra`, whose password is `secret word`; ends with the test. */
export async function startSmtpSink(
  t: Test,
  { cert, key }: { readonly cert: string; readonly key: string },
  mode: 'tls' | 'starttls' | 'none',
): Promise<SmtpSink> {
  const child = spawn('/usr/bin/python3', ['-W', 'ignore', '-c', PROGRAM, cert, key, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill());
  const lines = createInterface(child.stdout);
  const mails: TakenMail[] = [];
  const port = await new Promise<string>((resolve) => {
    lines.once('line', resolve);
  });
  lines.on('line', (line) => {
    mails.push(JSON.parse(line) as TakenMail);
  });
  return {
    port: Number(port),
    mails,
    until: async (count) => {
      while (mails.length < count) await once(lines, 'line');
    },
  };
}
