import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import { libvirtAddress } from '../../../agent/libvirt/address.js';
import { Libvirt } from '../../../agent/libvirt/libvirt.js';
import { LibvirtFailure, libvirtNumber } from '../../../agent/libvirt/libvirt-error.js';
import { encodeMessage, type Message } from '../../../agent/libvirt/message.js';
import {
  AUTH,
  KEEP_ALIVE,
  LIBVIRT_ERROR,
  MAX_MESSAGE_BYTES,
  MESSAGE,
  PROGRAM,
  REMOTE,
  STATUS,
} from '../../../agent/libvirt/protocol.js';
import { XdrWriter } from '../../../agent/libvirt/xdr.js';
import { fakeLibvirt, libvirtErrorBody, libvirtReply } from '../../kit/fake-libvirt.js';
import { ManualClock } from '../../kit/manual-clock.js';

const ENVIRONMENT = { runtimeDirectory: undefined };
const DOMAIN = { name: 'guest', uuid: Buffer.alloc(16, 7), id: 1 };

/** Connected to a libvirt that answers to listing domains as told. */
async function connected(t: Test, answer: (call: Message, socket: Socket) => void): Promise<Libvirt> {
  const path = await fakeLibvirt(t, (call, socket) => {
    if (call.procedure !== REMOTE.connectListAllDomains) return false;
    answer(call, socket);
    return true;
  });
  const libvirt = await Libvirt.open(libvirtAddress(path, ENVIRONMENT));
  t.teardown(() => libvirt.close());
  return libvirt;
}

const words = (...values: number[]): Buffer => {
  const writer = new XdrWriter();
  for (const value of values) writer.uint(value);
  return writer.bytes();
};

void t.test('lengths that no message has', async (t) => {
  for (const length of [0, 27, MAX_MESSAGE_BYTES + 1, 0xffff_ffff]) {
    const libvirt = await connected(t, (_, socket) => socket.write(words(length, 0, 0)));
    await t.rejects(libvirt.domains(), { code: 'HYPERVISOR_FAILED', message: `message of ${length} bytes` });
    await t.rejects(libvirt.domains(), { code: 'HYPERVISOR_FAILED' }, 'the connection stays broken');
  }
});

void t.test('answers that say wrong things of themselves', async (t) => {
  const bodies: readonly [string, Buffer, RegExp][] = [
    ['an empty one', Buffer.alloc(0), /ends too early/],
    ['too many domains', words(0xffff_ffff), /a list of 4294967295 entries/],
    ['more domains than bytes', words(16_000), /ends too early/],
    ['a name without end', words(1, 0x7fff_ffff), /a string of 2147483647 bytes/],
    ['a name that is cut off', words(1, 400, 0), /ends too early/],
    ['no padding', Buffer.concat([words(1, 5), Buffer.from('abcde')]), /ends too early/],
  ];
  for (const [name, body, message] of bodies) {
    const libvirt = await connected(t, (call, socket) => socket.write(libvirtReply(call, body)));
    await t.rejects(libvirt.domains(), { code: 'HYPERVISOR_FAILED', message }, name);
  }
});

void t.test('numbers that JavaScript does not have', async (t) => {
  const path = await fakeLibvirt(t, (call, socket) => {
    if (call.procedure !== REMOTE.domainGetBlockInfo) return false;
    return socket.write(libvirtReply(call, Buffer.alloc(24, 0xff)));
  });
  const libvirt = await Libvirt.open(libvirtAddress(path, ENVIRONMENT));
  t.teardown(() => libvirt.close());
  await t.rejects(libvirt.blockInfo(DOMAIN, 'vda'), { code: 'HYPERVISOR_FAILED', message: /18446744073709551615/ });
});

void t.test('messages that nobody asked for', async (t) => {
  const base = { program: PROGRAM.remote, procedure: 1, type: MESSAGE.reply, status: STATUS.ok, body: Buffer.alloc(0) };
  for (const [message, said] of [
    [{ ...base, serial: 0 }, /a call that was not made/],
    [{ ...base, serial: 99 }, /a call that was not made/],
    [{ ...base, serial: 0, type: 3 }, /the type 3/],
  ] as const) {
    const libvirt = await connected(t, (_, socket) => socket.write(encodeMessage(message)));
    await t.rejects(libvirt.domains(), { code: 'HYPERVISOR_FAILED', message: said });
  }
});

void t.test('errors', async (t) => {
  const refusals: readonly [number, string][] = [
    [LIBVIRT_ERROR.noDomain, 'NOT_FOUND'],
    [LIBVIRT_ERROR.accessDenied, 'HYPERVISOR_DENIED'],
    [LIBVIRT_ERROR.operationInvalid, 'HYPERVISOR_FAILED'],
  ];
  for (const [number, code] of refusals) {
    const libvirt = await connected(t, (call, socket) =>
      socket.write(libvirtReply(call, libvirtErrorBody(number, 'no\u001b[2J'), STATUS.error)),
    );
    const error: unknown = await libvirt.domains().catch((failed: unknown) => failed);
    t.match(error, { code, message: String.raw`libvirt: no\x1b[2J`, cause: LibvirtFailure });
    t.equal(libvirtNumber(error), number);
  }
  const broken = await connected(t, (call, socket) => socket.write(libvirtReply(call, words(1), STATUS.error)));
  await t.rejects(broken.domains(), { code: 'HYPERVISOR_FAILED', message: /ends too early/ });
  t.equal(libvirtNumber(new Error('another')), undefined);
});

void t.test('a message in pieces, two in one', async (t) => {
  let first: Message | undefined;
  const libvirt = await connected(t, (call, socket) => {
    if (first === undefined) {
      first = call;
      return;
    }
    const bytes = Buffer.concat([libvirtReply(call, words(0)), libvirtReply(first, words(0))]);
    for (const byte of bytes) socket.write(Buffer.of(byte));
  });
  t.strictSame(await Promise.all([libvirt.domains(), libvirt.domains()]), [[], []]);
});

void t.test('the question whether we are there', async (t) => {
  const ping = { program: PROGRAM.keepAlive, procedure: KEEP_ALIVE.ping, type: MESSAGE.event, serial: 0, status: 0 };
  const path = await fakeLibvirt(t, (call, socket) => {
    if (call.program === PROGRAM.keepAlive) {
      t.equal(call.procedure, KEEP_ALIVE.pong);
      socket.write(libvirtReply({ ...call, serial: listing }, words(0)));
      return true;
    }
    if (call.procedure !== REMOTE.connectListAllDomains) return false;
    listing = call.serial;
    return socket.write(encodeMessage({ ...ping, body: Buffer.alloc(0) }));
  });
  let listing = 0;
  const libvirt = await Libvirt.open(libvirtAddress(path, ENVIRONMENT));
  t.teardown(() => libvirt.close());
  t.strictSame(await libvirt.domains(), []);
});

void t.test('no answer', async (t) => {
  const clock = new ManualClock();
  let late: (() => void) | undefined;
  const path = await fakeLibvirt(t, (call, socket) => {
    if (call.procedure !== REMOTE.domainFsfreeze) return false;
    clock.advance(5000);
    late = () => socket.write(libvirtReply(call, words(3)));
    return true;
  });
  const libvirt = await Libvirt.open(libvirtAddress(path, ENVIRONMENT), clock);
  t.teardown(() => libvirt.close());
  await t.rejects(libvirt.freeze(DOMAIN, 5000), { code: 'HYPERVISOR_FAILED', message: /freeze guest within 5000 ms/ });
  late?.();
  await libvirt.suspend(DOMAIN);
  t.pass('a late answer is nobody’s');
});

void t.test('a connection that is lost', async (t) => {
  const libvirt = await connected(t, (_, socket) => socket.destroy());
  await t.rejects(libvirt.domains(), { code: 'HYPERVISOR_UNREACHABLE' });
  await libvirt.close();
  await libvirt.close();
});

void t.test('ways to authenticate', async (t) => {
  const open = async (types: Buffer, allowed: boolean): Promise<Libvirt> => {
    const path = await fakeLibvirt(t, (call, socket) => {
      if (call.procedure === REMOTE.authList) return socket.write(libvirtReply(call, types));
      if (call.procedure !== REMOTE.authPolkit || allowed) return false;
      const body = libvirtErrorBody(LIBVIRT_ERROR.authFailed, 'polkit says no');
      return socket.write(libvirtReply(call, body, STATUS.error));
    });
    return await Libvirt.open(libvirtAddress(path, ENVIRONMENT));
  };
  await (await open(words(1, AUTH.polkit), true)).close();
  await t.rejects(open(words(1, AUTH.polkit), false), { code: 'HYPERVISOR_DENIED', hint: /group "libvirt"/ });
  await t.rejects(open(words(1, AUTH.sasl), true), { code: 'HYPERVISOR_DENIED', message: /SASL/ });
  await t.rejects(open(words(21), true), { code: 'HYPERVISOR_FAILED' });
});
