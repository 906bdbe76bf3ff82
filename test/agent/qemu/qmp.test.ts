import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { QmpError } from '../../../agent/qemu/qmp-state.js';
import { QmpClient } from '../../../agent/qemu/qmp.js';
import { fakeLines } from '../../kit/fake-lines.js';
import { startMachine } from '../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const GREETING = '{"QMP": {"version": {"qemu": {"major": 8, "minor": 1, "micro": 2}}, "capabilities": []}}\r\n';

type Say = (text: string) => void;

/** A monitor that greets and agrees, and answers other commands as the test wants. */
async function fakeQmp(t: Test, answer: (command: string, id: number, say: Say) => void): Promise<QmpClient> {
  const socketPath = await fakeLines(t, {
    connected: (socket) => socket.write(GREETING),
    line(line, socket) {
      const { execute, id } = JSON.parse(line) as { execute: string; id: number };
      if (execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": ${id}}\r\n`);
      else answer(execute, id, (text) => socket.write(text));
    },
  });
  const client = await QmpClient.open({ socketPath });
  t.teardown(() => {
    client.close();
  });
  return client;
}

t.test('QEMU: commands, refusals, events, and one client at a time', async (t) => {
  const machine = await startMachine(t, temporaryDirectory(t), { disks: [] });
  const socketPath = machine.qmpSocket;
  const client = await QmpClient.open({ socketPath });
  t.ok(client.version[0] >= 7);
  t.match(await client.execute('query-status'), { status: 'running' });
  const refused = client.execute('block-export-del', { id: 'none' });
  await t.rejects(refused, { code: 'TRACKER_FAILED', message: /refuses block-export-del: .*none/ });
  const { cause } = await refused.then(
    () => new Error('not refused'),
    (error: unknown) => (error instanceof Error ? error : new Error('no error')),
  );
  t.ok(cause instanceof QmpError && cause.errorClass === 'GenericError');
  const stopped = client.expect('STOP', () => true);
  await client.execute('stop');
  t.equal((await stopped.wait(20_000)).name, 'STOP');
  await t.rejects(QmpClient.open({ socketPath, greetingMs: 200 }), { code: 'TRACKER_BUSY', hint: /a second one/ });
  const resumed = client.expect('RESUME', () => true);
  await client.execute('cont');
  await resumed.wait(20_000);
  const never = client.expect('SHUTDOWN', ({ reason }) => reason === 'never');
  const underWay = t.rejects(client.expect('RESUME', () => true).wait(60_000), {
    code: 'TRACKER_FAILED',
    message: /closed the connection|ECONNRESET/,
  });
  await machine.kill();
  await underWay;
  await t.rejects(never.wait(20_000), { code: 'TRACKER_FAILED' });
  await t.rejects(client.execute('query-status'), { code: 'TRACKER_FAILED' });
  await t.rejects(client.expect('STOP', () => true).wait(20_000), { code: 'TRACKER_FAILED' });
  t.ok(client.failure);
  await t.rejects(QmpClient.open({ socketPath }), { code: 'TRACKER_UNAVAILABLE', message: /nobody answers/ });
});

t.test('answers in any order and late ones; events of before do not count', async (t) => {
  const asked: number[] = [];
  const client = await fakeQmp(t, (command, id, say) => {
    asked.push(id);
    if (command === 'late') say('{"event": "X", "data": {"n": 1}}\n');
    if (command === 'second') say(`{"return": "b", "id": ${id}}\n{"return": "a", "id": ${asked.at(-2)}}\n`);
    if (command === 'third')
      say(`{"event": "X", "data": {"n": 2}}\n{"return": "late", "id": ${asked[0]}}\n{"return": 3, "id": ${id}}\n`);
  });
  const passed = client.expect('X', ({ n }) => n === 1);
  await t.rejects(client.execute('late', {}, 20), {
    code: 'TRACKER_FAILED',
    message: /did not answer late within 20 ms/,
  });
  t.equal((await passed.wait(20_000)).data['n'], 1);
  t.same(await Promise.all([client.execute('first'), client.execute('second')]), ['a', 'b']);
  const next = client.expect('X', () => true);
  const cancelled = client.expect('X', () => true);
  cancelled.cancel();
  t.equal(await client.execute('third'), 3);
  t.equal((await next.wait(20_000)).data['n'], 2);
  await t.rejects(cancelled.wait(20), { message: /the event X did not come within 20 ms/ });
});

t.test('hostile monitors', async (t) => {
  const cases: [string, RegExp][] = [
    ['not JSON\n', /not JSON/],
    ['[]\n', /no message of QMP/],
    ['{"id": 1}\n', /no message of QMP/],
  ];
  for (const [said, message] of cases) {
    const client = await fakeQmp(t, (_command, _id, say) => {
      say(said);
    });
    await t.rejects(client.execute('x'), { code: 'TRACKER_FAILED', message });
  }
  const endless = await fakeQmp(t, (_command, _id, say) => {
    for (let part = 0; part < 20; part += 1) say('x'.repeat(1024 * 1024));
  });
  await t.rejects(endless.execute('x'), { message: /a line of more than 16777216 bytes/ });
  const strange = await fakeQmp(t, (_command, id, say) => {
    say(`{"return": 1, "id": "x"}\n\n{"error": {"desc": "a\\u001b[31mb"}, "id": ${id}}\n`);
  });
  await t.rejects(strange.execute('x'), { message: 'QEMU refuses x: a\\x1b[31mb' });
  await t.rejects(QmpClient.open({ socketPath: join('/tmp', 'x'.repeat(120)) }), { message: /too long for a socket/ });
  const mute = await fakeLines(t, {});
  await t.rejects(QmpClient.open({ socketPath: mute, greetingMs: 30 }), { code: 'TRACKER_BUSY' });
  const gone: boolean[] = [];
  const refusing = await fakeLines(t, {
    connected: (socket) => socket.on('close', () => gone.push(true)).write(GREETING),
    line: (_line, socket) => socket.write('{"error": {"desc": "no"}, "id": 1}\n'),
  });
  await t.rejects(QmpClient.open({ socketPath: refusing }), { message: /refuses qmp_capabilities: no/ });
  while (gone.length === 0) await setTimeout(1);
});
