import t, { type Test } from 'tap';
import { asTrackerError, LibvirtGuestControl } from '../../../agent/libvirt/guest-control.js';
import { Libvirt } from '../../../agent/libvirt/libvirt.js';
import { machineState } from '../../../agent/libvirt/machine-state.js';
import { DOMAIN_STATE, LIBVIRT_ERROR, PROGRAM, QEMU, REMOTE, STATUS } from '../../../agent/libvirt/protocol.js';
import { XdrReader, XdrWriter } from '../../../agent/libvirt/xdr.js';
import { fakeLibvirt, libvirtErrorBody, libvirtReply } from '../../kit/fake-libvirt.js';

const DOMAIN = { name: 'guest', uuid: Buffer.alloc(16, 7), id: 1 };
const NAMES = new Map(Object.entries(REMOTE).map(([name, procedure]) => [procedure as number, name]));

interface Fake {
  readonly control: LibvirtGuestControl;
  readonly libvirt: Libvirt;
  /** What was asked, in order; limits of the guest agent with their seconds. */
  readonly asked: string[];
  /** What libvirt refuses, by procedure, with its number. */
  readonly refused: Map<number, number>;
  state: readonly [number, number];
}

async function fake(t: Test): Promise<Fake> {
  const asked: string[] = [];
  const refused = new Map<number, number>();
  let state: readonly [number, number] = [DOMAIN_STATE.running, 1];
  const path = await fakeLibvirt(t, (call, socket) => {
    const isAgent = call.program === PROGRAM.qemu && call.procedure === QEMU.agentCommand;
    const name = isAgent ? 'agentCommand' : NAMES.get(call.procedure);
    if (name === undefined || !/^(domain|agent)/.test(name)) return false;
    const body = new XdrReader(call.body);
    body.string();
    body.opaque(20);
    asked.push(call.procedure === REMOTE.domainAgentSetResponseTimeout ? `limit ${body.int()}` : name);
    const number = refused.get(isAgent ? 0 : call.procedure);
    if (number !== undefined) return socket.write(libvirtReply(call, libvirtErrorBody(number, 'no'), STATUS.error));
    const answers = new Map<number, XdrWriter>([
      [REMOTE.domainGetState, new XdrWriter().int(state[0]).int(state[1])],
      [REMOTE.domainFsfreeze, new XdrWriter().int(2)],
      [REMOTE.domainFsthaw, new XdrWriter().int(2)],
    ]);
    const answer = isAgent ? new XdrWriter().optionalString('{}') : (answers.get(call.procedure) ?? new XdrWriter());
    return socket.write(libvirtReply(call, answer.bytes()));
  });
  const libvirt = await Libvirt.open({ sockets: [path], name: 'qemu:///system' });
  t.teardown(() => libvirt.close());
  const control = new LibvirtGuestControl(libvirt, DOMAIN);
  return {
    control,
    libvirt,
    asked,
    refused,
    get state() {
      return state;
    },
    set state(next) {
      state = next;
    },
  };
}

void t.test('file systems come to rest, with a limit that libvirt keeps', async (t) => {
  const { control, asked, refused } = await fake(t);
  t.equal(await control.prepareFreeze(), undefined);
  await control.freeze(1500);
  await control.thaw(5000);
  await control.settled();
  const order = [
    'agentCommand',
    'agentCommand',
    'agentCommand',
    'limit 2',
    'domainFsfreeze',
    'domainFsthaw',
    'limit -2',
  ];
  t.strictSame(asked, order, 'nothing but the thaw comes between the freeze and the thaw');

  refused.set(REMOTE.domainFsfreeze, LIBVIRT_ERROR.agentUnresponsive);
  asked.length = 0;
  await t.rejects(control.freeze(10), { code: 'TRACKER_FAILED' });
  await control.thaw(5000);
  await control.settled();
  t.strictSame(asked, ['limit 1', 'domainFsfreeze', 'domainFsthaw', 'limit -2'], 'the limit is taken back');

  asked.length = 0;
  refused.set(REMOTE.domainAgentSetResponseTimeout, LIBVIRT_ERROR.agentUnresponsive);
  await control.thaw(5000);
  await control.settled();
  t.strictSame(asked, ['domainFsthaw', 'limit -2'], 'a limit that stays is no harm');
});

void t.test('a guest agent that is not there', async (t) => {
  const { control, refused } = await fake(t);
  refused.set(0, LIBVIRT_ERROR.agentUnresponsive);
  t.match(await control.prepareFreeze(), /libvirt: no/);
  for (const harmless of [LIBVIRT_ERROR.argumentUnsupported, LIBVIRT_ERROR.operationInvalid]) {
    refused.set(REMOTE.domainFsthaw, harmless);
    await control.thaw(5000);
  }
  refused.set(REMOTE.domainFsthaw, LIBVIRT_ERROR.agentUnresponsive);
  await t.rejects(control.thaw(5000), { code: 'TRACKER_FAILED' });
});

void t.test('processors', async (t) => {
  const machine = await fake(t);
  const { control, asked, refused } = machine;
  await control.pause(1000);
  machine.state = [DOMAIN_STATE.paused, 1];
  t.equal(await control.state(), 'paused');
  await control.resume(1000);
  machine.state = [DOMAIN_STATE.paused, 5];
  await control.resume(1000);
  t.strictSame(
    asked.filter((name) => name !== 'domainGetState'),
    ['domainSuspend', 'domainResume'],
    'what stopped for an error of its disk is left as it is',
  );
  refused.set(REMOTE.domainSuspend, LIBVIRT_ERROR.operationInvalid);
  refused.set(REMOTE.domainGetState, LIBVIRT_ERROR.noDomain);
  await t.rejects(control.pause(1000), { code: 'TRACKER_FAILED', message: /libvirt: no/ });
  await t.rejects(control.state(), { code: 'NOT_FOUND' });
  const other = new Error('another');
  t.equal(asTrackerError(other), other);
});

void t.test('a machine is let go on though the connection is closed', async (t) => {
  const machine = await fake(t);
  const { control, libvirt, asked, refused } = machine;
  await libvirt.close();
  await t.rejects(control.freeze(1000), { code: 'TRACKER_FAILED' });
  machine.state = [DOMAIN_STATE.paused, 1];
  await control.thaw(1000);
  await control.resume(1000);
  t.strictSame(asked, ['domainFsthaw', 'limit -2', 'domainGetState', 'domainResume']);
  refused.set(REMOTE.domainFsthaw, LIBVIRT_ERROR.agentUnresponsive);
  await t.rejects(control.thaw(1000), { code: 'TRACKER_FAILED' });
  refused.clear();
  await control.thaw(1000);
});

void t.test('states', (t) => {
  const states = Object.values(DOMAIN_STATE).map((state) => machineState(state));
  t.strictSame(states, ['unknown', 'running', 'running', 'paused', 'running', 'off', 'off', 'paused']);
  t.equal(machineState(99), 'unknown');
  t.end();
});
