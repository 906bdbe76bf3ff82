import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { enrolAgent } from '../../../agent/enrol/agent-identity.js';
import { systemClock } from '../../../src/common/clock.js';
import type { Invitation } from '../../../src/protocol/access-api.js';
import { ask } from '../../kit/api-client.js';
import { startRemoteServer } from '../../kit/remote-lab.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const DYING_SERVER = fileURLToPath(new URL('../../kit/dying-server.js', import.meta.url));

void t.test('a server that is killed between the use of a join token and its answer', async (t) => {
  const directory = temporaryDirectory(t);
  const store = join(directory, 'store');
  const child = spawn(process.execPath, [DYING_SERVER, store, 'agent enrolled'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const { listening } = (await ask(store, 'GET', '/v1/status')).body as { readonly listening: string };
  const invited = await ask(store, 'POST', '/v1/agents/invite', { host: 'hv1', lifeSeconds: 3600 });
  const { token } = invited.body as Invitation;
  const state = join(directory, 'first');
  const enrolment = { token, host: 'hv1', clock: systemClock };
  const before = { host: '127.0.0.1', port: Number(listening.split(':')[1]) };
  const [error] = await Promise.all([
    enrolAgent({ ...enrolment, server: before, directory: state }).catch((cause: unknown) => cause),
    once(child, 'exit'),
  ]);
  t.equal(child.signalCode, 'SIGKILL', 'it died just then');
  t.match(error, { code: 'SERVER_UNREACHABLE', hint: /once more[^]*umbra agent invite hv1/ }, 'what to do is said');
  t.notOk(existsSync(join(state, 'identity.json')), 'nobody has a certificate');

  const lab = await startRemoteServer(t, {}, store);
  const server = { host: '127.0.0.1', port: lab.port };
  for (const name of ['first', 'second']) {
    await t.rejects(enrolAgent({ ...enrolment, server, directory: join(directory, name) }), {
      code: 'UNAUTHENTICATED',
      message: /used already/,
      hint: /umbra agent invite/,
    });
  }
  t.match((await ask(store, 'GET', '/v1/agents')).body, [{ host: 'hv1' }], 'it was durable');
  const again = { ...enrolment, token: await lab.invite('hv1'), server, directory: state };
  t.match(await enrolAgent(again), { host: 'hv1' }, 'it is invited again');
});
