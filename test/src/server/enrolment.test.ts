import t from 'tap';
import type { CertificateAnswer } from '../../../src/protocol/access-api.js';
import { ask, type Answer } from '../../kit/api-client.js';
import { certificateRequest, startRemoteServer, type RemoteLab } from '../../kit/remote-lab.js';

const HOUR_MS = 3_600_000;

async function enrol(lab: RemoteLab, token: string, host = 'hv1', request?: string): Promise<Answer> {
  const wanted = request ?? (await certificateRequest()).request;
  return await lab.ask('POST', '/v1/agents/enrol', { token, host, request: wanted });
}

void t.test('a join token lets in its host, once', async (t) => {
  const lab = await startRemoteServer(t);
  const token = await lab.invite('hv1');
  const refused = async (text: string, host: string, code: string, message: RegExp): Promise<void> => {
    t.match((await enrol(lab, text, host)).body, { error: { code, message } });
  };
  const swapped = token.replace(/\.[^.]{43}\./, `.${'A'.repeat(43)}.`);
  await refused(swapped, 'hv1', 'UNAUTHENTICATED', /not known/);
  await refused(token, 'hv2', 'UNAUTHENTICATED', /not for the host hv2/);
  await refused(await lab.addToken('anna'), 'hv1', 'BAD_ARGUMENT', /of the kind "admin"/);
  await refused('x', 'hv1', 'BAD_ARGUMENT', /no token/);
  t.match((await enrol(lab, token, 'hv1', 'no request')).body, { error: { message: /certificate request/ } });
  const enrolled = await enrol(lab, token);
  t.equal(enrolled.status, 200, 'none of these has used it up');
  t.match(enrolled.body, { name: 'hv1', authority: lab.ca });
  await refused(token, 'hv1', 'UNAUTHENTICATED', /used already/);
  const late = await lab.invite('hv2', 60);
  lab.clock.advance(60_000);
  await refused(late, 'hv2', 'UNAUTHENTICATED', /expired/);
});

void t.test('of two that enrol at once with one token one is let in', async (t) => {
  const lab = await startRemoteServer(t);
  const token = await lab.invite('hv1');
  const answers = await Promise.all([enrol(lab, token), enrol(lab, token), enrol(lab, token)]);
  t.same(answers.map(({ status }) => status).sort(), [200, 401, 401]);
});

void t.test('a token that was used before a crash stays used, though nobody got the answer', async (t) => {
  const lab = await startRemoteServer(t);
  const token = await lab.invite('hv1');
  await enrol(lab, token);
  await lab.stop();
  const next = await startRemoteServer(t, {}, lab.store);
  t.match((await enrol(next, token)).body, { error: { code: 'UNAUTHENTICATED', message: /used already/ } });
  t.equal((await enrol(next, await next.invite('hv1'))).status, 200, 'it is invited again');
});

void t.test('who guesses is slowed down', async (t) => {
  const lab = await startRemoteServer(t);
  const token = await lab.invite('hv1');
  const wrong = token.replace(/\.[^.]{43}\./, `.${'A'.repeat(43)}.`);
  for (let tries = 0; tries < 10; tries += 1) t.equal((await enrol(lab, wrong)).status, 401);
  t.equal((await enrol(lab, token)).status, 429);
  lab.clock.advance(6000);
  t.equal((await enrol(lab, token)).status, 200);
});

void t.test('an agent renews its certificate with the one it has', async (t) => {
  const lab = await startRemoteServer(t);
  const first = await lab.agent('hv1');
  const renew = async (identity: typeof first): Promise<Answer & { readonly next: typeof first }> => {
    const { key, request } = await certificateRequest();
    const answer = await lab.ask('POST', '/v1/agents/renew', { request }, { identity });
    return { ...answer, next: { key, cert: (answer.body as CertificateAnswer).certificate } };
  };
  t.equal((await renew(first)).status, 200, 'an answer that is lost');
  const second = await renew(first);
  t.match(second.body, { name: 'hv1' });
  t.equal((await renew(second.next)).status, 200);
  t.equal((await renew(first)).status, 401, 'the first one is out when the second was used');
  const anna = await lab.administrator('anna');
  t.equal((await renew(anna)).status, 403, 'administrators log in instead');
  t.equal((await lab.ask('POST', '/v1/login', { request: 'x' }, { identity: second.next })).status, 403);
  t.equal((await ask(lab.store, 'POST', '/v1/agents/renew', { request: 'x' })).status, 403);
  t.match((await renew({ ...first, cert: second.next.cert, key: second.next.key })).status, 200);
});

void t.test('an administrator’s certificate ends with his token', async (t) => {
  const lab = await startRemoteServer(t);
  const token = await lab.addToken('anna', 3600);
  const { key, request } = await certificateRequest();
  const { body } = await lab.ask('POST', '/v1/login', { request }, { token });
  const { certificate, expires } = body as CertificateAnswer;
  t.ok(Date.parse(expires) <= lab.clock.now() + HOUR_MS);
  const identity = { key, cert: certificate };
  t.match((await ask(lab.store, 'GET', '/v1/tokens')).body, [{ name: 'anna', expires: String, certificates: 1 }]);
  t.equal((await lab.ask('POST', '/v1/logout', {}, { token })).status, 400, 'a token is removed, not logged out');
  t.equal((await lab.ask('POST', '/v1/logout', {}, { identity })).status, 200);
  t.equal((await lab.ask('GET', '/v1/stats', undefined, { identity })).status, 401);
  lab.clock.advance(HOUR_MS);
  t.equal((await lab.ask('GET', '/v1/stats', undefined, { token })).status, 401);
});
