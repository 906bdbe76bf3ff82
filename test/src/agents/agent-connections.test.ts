import t from 'tap';
import { AgentConnections } from '../../../src/agents/agent-connections.js';
import { UmbraError } from '../../../src/common/errors.js';
import type { AgentBackupResult, AgentTaskLine, ProtectedMachine } from '../../../src/protocol/agents-api.js';
import { ManualClock } from '../../kit/manual-clock.js';

const MACHINE: ProtectedMachine = { name: 'web', host: 'hv1', hostName: 'web', tracker: 'auto' };
const RESULT: AgentBackupResult = {
  shadowCopy: '2026-11-22T10-15-00Z',
  tracker: 'scan',
  consistency: 'crash',
  pauseMs: 0,
  readBytes: 1,
  sentBytes: 1,
  notes: [],
};

interface FakeAgent {
  readonly lines: AgentTaskLine[];
  closed: UmbraError | undefined;
  readonly disconnect: () => void;
}

function connect(connections: AgentConnections, host: string, running: readonly string[] = []): FakeAgent {
  const agent: { lines: AgentTaskLine[]; closed: UmbraError | undefined } = { lines: [], closed: undefined };
  const disconnect = connections.connect(host, running, {
    send: (line) => agent.lines.push(line),
    close: (reason) => (agent.closed = reason),
  });
  return Object.assign(agent, { disconnect });
}

function run(
  connections: AgentConnections,
  signal = new AbortController().signal,
): Promise<AgentBackupResult | undefined> {
  const running = connections.run('hv1', { kind: 'backup', machine: MACHINE }, signal);
  running.catch(() => undefined);
  return running;
}

function taskOf({ lines }: FakeAgent): string {
  return lines.flatMap(({ task }) => task?.id ?? []).at(-1) ?? '';
}

t.test('a task ends with what its own host says of it', async (t) => {
  const connections = new AgentConnections(new ManualClock(0));
  await t.rejects(run(connections), { code: 'AGENT_UNREACHABLE' });
  const agent = connect(connections, 'hv1');
  const running = run(connections);
  connections.finish('hv2', { id: taskOf(agent), error: { code: 'INTERNAL', message: 'forged' } });
  connections.finish('hv1', { id: 'unknown' });
  connections.finish('hv1', { id: taskOf(agent), result: RESULT });
  t.strictSame(await running, RESULT);
  const failing = run(connections);
  connections.finish('hv1', { id: taskOf(agent), error: { code: 'IMAGE_FAILED', message: 'no', hint: 'look' } });
  await t.rejects(failing, { code: 'IMAGE_FAILED', message: 'no', hint: 'look' });
});

t.test('a task that is cancelled is no longer wanted of the agent', async (t) => {
  const connections = new AgentConnections(new ManualClock(0));
  const agent = connect(connections, 'hv1');
  const controller = new AbortController();
  const running = run(connections, controller.signal);
  controller.abort();
  t.strictSame(agent.lines.at(-1), { cancel: taskOf(agent) });
  connections.finish('hv1', { id: taskOf(agent), error: { code: 'CANCELLED', message: 'cancelled' } });
  await t.rejects(running, { code: 'CANCELLED' });
});

t.test('an agent may go away and come back in the midst of a task', async (t) => {
  const clock = new ManualClock(0);
  const connections = new AgentConnections(clock);
  const agent = connect(connections, 'hv1');
  const running = run(connections);
  agent.disconnect();
  t.notOk(connections.isConnected('hv1'));
  clock.advance(60_000);
  const back = connect(connections, 'hv1', [taskOf(agent), 'forgotten']);
  t.strictSame(back.lines, [{ cancel: 'forgotten' }], 'what the server does not know is not wanted');
  for (let minute = 0; minute < 60; minute++) {
    connections.heard('hv1');
    clock.advance(60_000);
  }
  connections.finish('hv1', { id: taskOf(agent), result: RESULT });
  t.strictSame(await running, RESULT);
});

t.test('a task of an agent that was started anew, or does not come back, has failed', async (t) => {
  const clock = new ManualClock(0);
  const connections = new AgentConnections(clock);
  connect(connections, 'hv1');
  const first = run(connections);
  const second = connect(connections, 'hv1');
  await t.rejects(first, { code: 'AGENT_FAILED' });
  const lost = run(connections);
  second.disconnect();
  clock.advance(600_001);
  await t.rejects(lost, { code: 'AGENT_UNREACHABLE' });
});

t.test('the newest connection of a host holds, and all end with the server', async (t) => {
  const connections = new AgentConnections(new ManualClock(0));
  const old = connect(connections, 'hv1');
  const young = connect(connections, 'hv1');
  t.match(old.closed, { code: 'CANCELLED' });
  old.disconnect();
  t.ok(connections.isConnected('hv1'), 'the end of the old one changes nothing');
  const running = run(connections);
  connections.close(new UmbraError('SERVER_STOPPING', 'stopping'));
  await t.rejects(running, { code: 'SERVER_STOPPING' });
  t.match(young.closed, { code: 'SERVER_STOPPING' });
});

t.test('an agent that is connected and never answers is not waited for for ever', async (t) => {
  const clock = new ManualClock(0);
  const connections = new AgentConnections(clock);
  const agent = connect(connections, 'hv1');
  const running = run(connections);
  clock.advance(5 * 60_000);
  connections.report('hv1', { machines: [], notes: [] });
  clock.advance(599_999);
  t.equal(agent.closed, undefined, 'what it says of machines is a sign of life');
  clock.advance(1);
  await t.rejects(running, { code: 'AGENT_UNREACHABLE', message: /says nothing/, hint: /umbra agent run/ });
  t.match(agent.closed, { code: 'AGENT_UNREACHABLE' });
  t.equal(clock.nextMs, undefined, 'no timer is left');
});

t.test('one that is away is waited for as one that is away', async (t) => {
  const clock = new ManualClock(0);
  const connections = new AgentConnections(clock);
  const agent = connect(connections, 'hv1');
  const running = run(connections);
  clock.advance(599_000);
  agent.disconnect();
  clock.advance(599_000);
  const back = connect(connections, 'hv1', [taskOf(agent)]);
  clock.advance(599_000);
  connections.finish('hv1', { id: taskOf(agent), result: RESULT });
  t.strictSame(await running, RESULT);
  t.equal(back.closed, undefined);
});

t.test('what is cancelled and does not end has ended for the server', async (t) => {
  const clock = new ManualClock(0);
  const connections = new AgentConnections(clock);
  const agent = connect(connections, 'hv1');
  const controller = new AbortController();
  const running = run(connections, controller.signal);
  controller.abort();
  for (let minute = 0; minute < 10; minute++) {
    t.equal(agent.closed, undefined);
    connections.heard('hv1');
    clock.advance(60_000);
  }
  await t.rejects(running, { code: 'CANCELLED', message: /does not say that it has ended/ });
  t.match(agent.closed, { code: 'CANCELLED' });
});

t.test('what is cancelled while the agent is away is not wanted when it is back', async (t) => {
  const connections = new AgentConnections(new ManualClock(0));
  const agent = connect(connections, 'hv1');
  const controller = new AbortController();
  const running = run(connections, controller.signal);
  agent.disconnect();
  controller.abort();
  const back = connect(connections, 'hv1', [taskOf(agent)]);
  t.strictSame(back.lines, [{ cancel: taskOf(agent) }]);
  connections.finish('hv1', { id: taskOf(agent), error: { code: 'CANCELLED', message: 'cancelled' } });
  await t.rejects(running, { code: 'CANCELLED' });
});
