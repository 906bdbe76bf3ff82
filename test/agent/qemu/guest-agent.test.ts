import t from 'tap';
import { GuestAgent } from '../../../agent/qemu/guest-agent.js';
import { fakeGuestAgent, fakeLines } from '../../kit/fake-lines.js';

t.test('commands and refusals', async (t) => {
  const answers: Record<string, unknown> = {
    'guest-fsfreeze-freeze': { return: 2 },
    'guest-fsfreeze-thaw': { return: 2 },
    'guest-fsfreeze-status': { return: 'frozen' },
    'guest-get-fsinfo': { return: [{ mountpoint: '/', type: 'ext4' }, 7] },
    'guest-ping': { error: { class: 'GenericError', desc: 'no\u0007' } },
  };
  const { path: socketPath } = await fakeGuestAgent(t, (command) => answers[command]);
  const agent = await GuestAgent.open({ socketPath });
  t.equal(await agent.freeze(20_000), 2);
  t.equal(await agent.isFrozen(20_000), true);
  t.equal(await agent.thaw(20_000), 2);
  t.same(await agent.mounts(20_000), [
    { mountPoint: '/', type: 'ext4' },
    { mountPoint: '', type: '' },
  ]);
  await t.rejects(agent.execute('guest-ping', 20_000), {
    code: 'TRACKER_FAILED',
    message: /refuses guest-ping: no\\x07/,
  });
  agent.close();
  await t.rejects(agent.freeze(20_000), { message: /closed/ });
});

t.test('an answer that comes too late ends the connection', async (t) => {
  const { path: socketPath } = await fakeGuestAgent(t, () => undefined);
  const agent = await GuestAgent.open({ socketPath });
  await t.rejects(agent.freeze(30), {
    code: 'TRACKER_FAILED',
    message: /did not answer guest-fsfreeze-freeze within 30 ms/,
  });
  t.match(agent.failure, { code: 'TRACKER_FAILED' });
  await t.rejects(agent.thaw(20_000), { code: 'TRACKER_FAILED' });
});

t.test('answers to others are passed over, and a sync that was lost is asked again', async (t) => {
  const ids: number[] = [];
  const socketPath = await fakeLines(t, {
    line(line, socket) {
      const { execute, arguments: args } = JSON.parse(line) as { execute: string; arguments?: { id: number } };
      if (execute !== 'guest-sync') {
        socket.write(`{"return": ${ids[1]}}\n{"return": 5}\n`);
        return;
      }
      ids.push(args?.id ?? 0);
      // The first is answered when the second was sent already: the second's answer must not be taken for a command's.
      if (ids.length === 1) socket.write('{"error": {"desc": "JSON parse error"}}\n{"return": 1}\n');
      else socket.write(`{"return": ${ids[0]}}\n`);
    },
  });
  const agent = await GuestAgent.open({ socketPath, syncMs: 20_000 });
  t.equal(await agent.freeze(20_000), 5);
  agent.close();
});

t.test('guests that do not answer, or answer without end', async (t) => {
  const mute = await fakeLines(t, {});
  await t.rejects(GuestAgent.open({ socketPath: mute, syncMs: 30 }), { message: /does not answer within 30 ms/ });
  const endless = await fakeLines(t, {
    line(_line, socket) {
      socket.write('{"return": 1}\n'.repeat(3000));
    },
  });
  await t.rejects(GuestAgent.open({ socketPath: endless }), { message: /does not stop/ });
  const flood = await fakeGuestAgent(t, (_command, socket) => {
    socket.write('{"return": {}}\n'.repeat(2500));
    return undefined;
  });
  const agent = await GuestAgent.open({ socketPath: flood.path });
  await agent.freeze(20_000);
  await t.rejects(
    (async () => {
      for (;;) await agent.freeze(20_000);
    })(),
    { message: /does not stop/ },
  );
  await t.rejects(GuestAgent.open({ socketPath: '/nonexistent/qga' }), { message: /nobody answers/ });
});
