import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { agentTransport, loadIdentity } from '../../../agent/enrol/agent-identity.js';
import { record, text } from '../../../agent/json-values.js';
import type { QmpClient } from '../../../agent/qemu/qmp.js';
import { httpServerApi } from '../../../agent/run/http-server-api.js';
import { UploadStream } from '../../../agent/send/upload-stream.js';
import { systemClock } from '../../../src/common/clock.js';
import type { AgentBackupAnswer } from '../../../src/protocol/agents-api.js';
import { startAgentLab } from '../../kit/agent-lab.js';
import { checkLockstep, DISK_BYTES, makeDisks } from '../../kit/machine-lab.js';
import { startMachine, waitForWrites, writeDisk } from '../../kit/qemu-machine.js';
import { qemuImg } from '../../kit/qemu.js';
import { runUmbra } from '../../kit/run-umbra.js';

const UUID = '6f2a1b3c-0002-4000-8000-000000000001';

async function migrated(monitor: QmpClient, uri: string): Promise<void> {
  await monitor.execute('migrate', { uri });
  for (;;) {
    const status = text(record(await monitor.execute('query-migrate'))['status']);
    if (status === 'completed') return;
    if (status === 'failed') throw new Error('the migration failed');
  }
}

t.test('a machine that moves to another host while it runs', async (t) => {
  const lab = await startAgentLab(t);
  const [one, two] = ['one', 'two'].map((name) => join(lab.directory, name));
  for (const directory of [one, two]) mkdirSync(directory ?? '');
  // Storage that both hosts have.
  const disks = makeDisks(lab.directory, ['qcow2', 'raw']);
  const args = ['-uuid', UUID];
  const source = await startMachine(t, one ?? '', { disks, writes: true, args });
  await waitForWrites(source.monitor);
  const agentOf = (host: string, socket: string): ReturnType<typeof lab.agent> =>
    lab.agent(host, `libvirt: "off"\nqmp: [{name: vm1, socket: ${socket}}]\ndiscoverSeconds: 3600`);
  const restored = async (): Promise<Buffer[]> => {
    const target = join(lab.directory, 'restored');
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
    await lab.umbra('restore', 'vm1', '--to', target);
    return ['vda', 'vdb'].map((name) => readFileSync(join(target, `${name}.raw`)));
  };
  const first = await agentOf('hv1', source.qmpSocket);
  await lab.umbra('protect', 'vm1');
  await writeDisk(source.monitor, 'vda', 'write -P 5 4M 8M');
  const full = (await lab.umbra('backup', 'vm1')) as AgentBackupAnswer;
  t.match(full, { host: 'hv1', tracker: 'qemu-bitmap' });

  const incoming = `unix:${join(lab.directory, 'migration')}`;
  const target = await startMachine(t, two ?? '', { disks, writes: true, args: [...args, '-incoming', incoming] });
  await migrated(source.monitor, incoming);
  await agentOf('hv2', target.qmpSocket);
  await waitForWrites(target.monitor);
  const left = await runUmbra(['backup', 'vm1'], lab.store);
  t.match(
    left,
    { code: 13, stderr: /qemu-bitmap: the machine is being migrated;.*scan: the machine is being migrated/ },
    'its old host can make no more of it',
  );
  await source.stop();
  const gone = await runUmbra(['backup', 'vm1'], lab.store);
  t.match(gone, { code: 3, stderr: /no machine "vm1" any more.*\n.*umbra protect MACHINE --host HOST/ });

  t.match(await lab.umbra('protect', 'vm1', '--host', 'hv2'), { host: 'hv2' });
  const moved = (await lab.umbra('backup', 'vm1')) as AgentBackupAnswer;
  t.match(moved, { host: 'hv2', tracker: 'qemu-bitmap' });
  t.notMatch(moved.notes.join('\n'), /vda/, 'the bitmap came along');
  t.match(moved.notes.join('\n'), /vdb: its bitmap .* is not there/, 'which raw images have none of');
  t.ok(moved.readBytes < DISK_BYTES + 6 * 1024 * 1024, `${moved.readBytes} bytes were read`);
  checkLockstep(t, await restored());

  const transport = agentTransport(await loadIdentity(first.state));
  const { signal } = new AbortController();
  const stream = new UploadStream(await httpServerApi(() => transport).connect(signal), systemClock, signal);
  const volume = { name: 'vda', path: '/vda', format: 'raw', sizeBytes: DISK_BYTES, rest: 'holes' } as const;
  const late = stream.begin({ t: 'begin', machine: 'vm1', checkpoint: 'late', volumes: [volume] });
  await t.rejects(late, { code: 'FORBIDDEN' }, 'its old host may add nothing');
  stream.close();
  transport.close();

  await target.monitor.execute('stop');
  t.match(await lab.umbra('backup', 'vm1'), { host: 'hv2' });
  const contents = await restored();
  await target.stop();
  for (const [index, { file, format }] of disks.entries()) {
    const raw = join(lab.directory, `${index}.raw`);
    writeFileSync(raw, contents[index] ?? '');
    t.match(qemuImg('compare', '-f', format, '-F', 'raw', file, raw), /identical/);
  }
});
