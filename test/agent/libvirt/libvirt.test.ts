import { join } from 'node:path';
import t from 'tap';
import { libvirtAddress } from '../../../agent/libvirt/address.js';
import { uuidText, type Domain } from '../../../agent/libvirt/domain.js';
import { Libvirt } from '../../../agent/libvirt/libvirt.js';
import { libvirtNumber } from '../../../agent/libvirt/libvirt-error.js';
import { DOMAIN_STATE, LIBVIRT_ERROR } from '../../../agent/libvirt/protocol.js';
import { domainXml, privateLibvirt } from '../../kit/libvirt.js';
import { qemuImg } from '../../kit/qemu.js';

const UUID = '6f2a1b3c-0001-4000-8000-0123456789ab';

/** What libvirt said a call failed with. */
async function numberOf(call: Promise<unknown>): Promise<number | undefined> {
  return await call.then(
    () => undefined,
    (error: unknown) => libvirtNumber(error),
  );
}

void t.test('calls of a real libvirt', async (t) => {
  const daemon = await privateLibvirt(t);
  const disk = join(daemon.directory, 'a.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', disk, '8M');
  await daemon.define(domainXml({ name: 'runs', uuid: UUID, disks: [{ target: 'vda', path: disk, format: 'qcow2' }] }));
  await daemon.define(domainXml({ name: 'is off', disks: [] }));
  const libvirt = await Libvirt.open(
    libvirtAddress(`qemu+unix:///system?socket=${daemon.socketPath}`, { runtimeDirectory: undefined }),
  );
  t.teardown(() => libvirt.close());
  await daemon.virsh('start', 'runs');

  await t.test('finds domains', async (t) => {
    t.strictSame((await libvirt.domains()).map(({ name }) => name).sort(), ['is off', 'runs']);
    const byName = await libvirt.domainByName('runs');
    t.equal(uuidText(byName.uuid), UUID);
    t.strictSame(await libvirt.domainByUuid(UUID), byName);
    await t.rejects(libvirt.domainByName('nobody'), { code: 'NOT_FOUND', message: /nobody/ });
    await t.rejects(libvirt.domainByUuid('6f2a'), { code: 'BAD_ARGUMENT' });
  });

  await t.test('says what they are, many calls at once', async (t) => {
    const runs = await libvirt.domainByName('runs');
    const off = await libvirt.domainByName('is off');
    t.equal(off.id, -1);
    const [state, other, live, inactive, block] = await Promise.all([
      libvirt.state(runs),
      libvirt.state(off),
      libvirt.xml(runs, 'current'),
      libvirt.xml(runs, 'inactive'),
      libvirt.blockInfo(runs, 'vda'),
      ...Array.from({ length: 30 }, () => libvirt.state(runs)),
    ]);
    t.equal(state, DOMAIN_STATE.running);
    t.equal(other, DOMAIN_STATE.off);
    t.match(live, /<domain type='qemu' id='1'>/);
    t.match(inactive, /<domain type='qemu'>/);
    t.equal(block.capacityBytes, 8 * 1024 * 1024);
    t.ok(block.allocationBytes > 0);
  });

  await t.test('steers them', async (t) => {
    const runs = await libvirt.domainByName('runs');
    await libvirt.suspend(runs);
    t.equal(await libvirt.state(runs), DOMAIN_STATE.paused);
    await libvirt.resume(runs);
    t.equal(await libvirt.state(runs), DOMAIN_STATE.running);
    t.match(await libvirt.monitorCommand(runs, 'info block', 'hmp'), /a\.qcow2/);
    t.match(await libvirt.monitorCommand(runs, '{"execute":"query-status"}', 'qmp'), /"running"/);
  });

  await t.test('says why the guest agent does not answer', async (t) => {
    const runs = await libvirt.domainByName('runs');
    const missing = { code: 'HYPERVISOR_FAILED', message: /QEMU guest agent is not configured/ };
    await t.rejects(libvirt.freeze(runs), missing);
    await t.rejects(libvirt.thaw(runs), missing);
    await t.rejects(libvirt.agentCommand(runs, '{"execute":"guest-ping"}', 1), missing);
  });

  await t.test('begins, describes and ends backups with checkpoints', async (t) => {
    const runs = await libvirt.domainByName('runs');
    const socket = join(daemon.directory, 'backup.sock');
    const backup = `<domainbackup mode='pull'><server transport='unix' socket='${socket}'/></domainbackup>`;
    const checkpoint = (name: string): string => `<domaincheckpoint><name>${name}</name></domaincheckpoint>`;
    t.equal(await numberOf(libvirt.backupXml(runs)), LIBVIRT_ERROR.noDomainBackup);
    for (const name of ['one', 'two']) {
      await libvirt.backupBegin(runs, backup, checkpoint(name));
      t.match(await libvirt.backupXml(runs), socket);
      await libvirt.abortJob(runs);
      await jobGone(libvirt, runs);
    }
    t.strictSame(await libvirt.checkpoints(runs), ['one', 'two']);
    t.match(await libvirt.checkpointXml(runs, 'two'), /<parent>\s*<name>one<\/name>/);
    t.notMatch(await libvirt.checkpointXml(runs, 'two'), /<domain /);
    await libvirt.deleteCheckpoint(runs, 'one', 'all');
    await libvirt.deleteCheckpoint(runs, 'two', 'metadata');
    t.strictSame(await libvirt.checkpoints(runs), []);
    t.equal(await numberOf(libvirt.deleteCheckpoint(runs, 'two', 'all')), LIBVIRT_ERROR.noDomainCheckpoint);
  });

  await t.test('fails in good order when the daemon goes', async (t) => {
    const call = libvirt.domains();
    await Promise.allSettled([call, daemon.kill()]);
    await t.rejects(libvirt.domains(), { code: 'HYPERVISOR_UNREACHABLE' });
    await libvirt.close();
  });
});

async function jobGone(libvirt: Libvirt, domain: Domain): Promise<void> {
  for (;;) {
    const number = await numberOf(libvirt.backupXml(domain));
    if (number === LIBVIRT_ERROR.noDomainBackup) return;
    if (number !== undefined) throw new Error(`error ${number} of libvirt`);
  }
}
