import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import { libvirtAddress } from '../../../../agent/libvirt/address.js';
import { ofDomain } from '../../../../agent/libvirt/domain.js';
import { Libvirt } from '../../../../agent/libvirt/libvirt.js';
import { encodeMessage, type Message } from '../../../../agent/libvirt/message.js';
import { LIBVIRT_ERROR, MESSAGE, PROGRAM, QEMU, STATUS } from '../../../../agent/libvirt/protocol.js';
import { XdrWriter } from '../../../../agent/libvirt/xdr.js';
import { watchBegunJobs } from '../../../../agent/trackers/qemu-bitmap-libvirt/begun-jobs.js';
import { silentLog } from '../../../../src/common/log.js';
import { fakeLibvirt, libvirtErrorBody, libvirtReply } from '../../../kit/fake-libvirt.js';

const DOMAIN = { name: 'guest', uuid: Buffer.alloc(16, 7), id: 1 };
const CALLBACK = 5;

async function connected(t: Test, register: (call: Message, socket: Socket) => void): Promise<Libvirt> {
  const path = await fakeLibvirt(t, (call, socket) => {
    if (call.program !== PROGRAM.qemu || call.procedure !== QEMU.monitorEventRegister) return false;
    register(call, socket);
    return true;
  });
  const libvirt = await Libvirt.open(libvirtAddress(path, { runtimeDirectory: undefined }));
  t.teardown(() => libvirt.close());
  return libvirt;
}

function event(details: string, callback = CALLBACK): Buffer {
  const body = ofDomain(DOMAIN, new XdrWriter().int(callback)).string('JOB_STATUS_CHANGE').hyper(1).uint(0);
  const type = { program: PROGRAM.qemu, procedure: QEMU.monitorEvent, type: MESSAGE.event } as const;
  return encodeMessage({ ...type, serial: 0, status: STATUS.ok, body: body.optionalString(details).bytes() });
}

const status = (id: string, status: string): string => JSON.stringify({ id, status });

t.test('only a job that began since counts, and only of a backup', async (t) => {
  let says: Socket | undefined;
  const libvirt = await connected(t, (call, socket) => {
    says = socket;
    socket.write(libvirtReply(call, new XdrWriter().int(CALLBACK).bytes()));
  });
  const jobs = await watchBegunJobs(libvirt, DOMAIN, silentLog);
  let isRunning = false;
  void jobs.running.then(() => (isRunning = true));
  says?.write(event(status('backup-vda-old', 'running')));
  for (const state of ['created', 'running']) {
    says?.write(event(status('commit-vda-new', state)));
    says?.write(event(status('backup-vda-new', state), CALLBACK + 1));
  }
  says?.write(event(status('backup-vda-new', 'created')));
  says?.write(event('[1]'));
  // What is answered comes behind all that.
  await libvirt.resume(DOMAIN);
  t.notOk(isRunning);
  says?.write(event(status('backup-vda-new', 'running')));
  await jobs.running;
  await jobs.stop();
});

t.test('a libvirt that tells nothing', async (t) => {
  const libvirt = await connected(t, (call, socket) => {
    const body = libvirtErrorBody(LIBVIRT_ERROR.accessDenied, 'access denied');
    socket.write(libvirtReply(call, body, STATUS.error));
  });
  const jobs = await watchBegunJobs(libvirt, DOMAIN, silentLog);
  await jobs.stop();
  t.notOk(libvirt.isLost);
});

t.test('events that make no sense end the connection', async (t) => {
  for (const wrong of [event('{'), event('{}').subarray(0, 60)]) {
    wrong.writeUInt32BE(wrong.length);
    let says: Socket | undefined;
    const libvirt = await connected(t, (call, socket) => {
      says = socket;
      socket.write(libvirtReply(call, new XdrWriter().int(CALLBACK).bytes()));
    });
    const jobs = await watchBegunJobs(libvirt, DOMAIN, silentLog);
    says?.write(wrong);
    await t.rejects(libvirt.resume(DOMAIN), { code: 'HYPERVISOR_FAILED' });
    t.ok(libvirt.isLost);
    await jobs.stop();
  }
});
