import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { GcResult } from '../../../src/protocol/api.js';
import type { JobsResult } from '../../../src/protocol/jobs-api.js';
import type { StatusResult } from '../../../src/protocol/server-api.js';
import { openLocalEngine } from '../../../src/server/local-engine.js';
import { ask, until } from '../../kit/api-client.js';
import { namesIn, startMachine, writeDisk } from '../../kit/qemu-machine.js';
import { qemuImg } from '../../kit/qemu.js';
import { Random, testSeed } from '../../kit/random.js';
import { startReplicaLab } from '../../kit/replica-lab.js';
import { runUmbra } from '../../kit/run-umbra.js';
import { ext4Disk } from '../../kit/small-disk.js';
import { watchUploads } from '../../kit/watched-uploads.js';

const MIB = 1024 * 1024;
const DISK_BYTES = 64 * MIB;
const STOP_BYTES = 48 * MIB;
const NEW_BYTES = 48 * MIB;

t.test('a replication is stopped midway, since the disk of the store gets full', async (t) => {
  const disk = ext4Disk(t, 400 * MIB);
  let receivedBytes = 0;
  const lab = await startReplicaLab(t, {
    store: join(disk.directory, 'store'),
    space: { stopBytes: STOP_BYTES, warnBytes: 2 * STOP_BYTES },
    openEngine: async (options) =>
      watchUploads(await openLocalEngine(options), {
        committed: () => Promise.resolve(),
        received: (_machine, bytes) => (receivedBytes += bytes),
      }),
  });
  const vm = join(lab.directory, 'vm');
  mkdirSync(vm);
  const image = join(vm, 'vda.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', image, String(DISK_BYTES));
  const machine = await startMachine(t, vm, { disks: [{ file: image, format: 'qcow2', id: 'vda' }] });
  const content = Buffer.alloc(DISK_BYTES);
  const random = new Random(testSeed(t));
  const write = async (offset: number, bytes: number): Promise<void> => {
    const data = random.bytes(bytes);
    data.copy(content, offset);
    writeFileSync(join(vm, 'data'), data);
    await writeDisk(machine.monitor, 'vda', `write -s ${join(vm, 'data')} ${offset} ${bytes}`);
  };
  const job = async (): Promise<JobsResult['jobs'][number] | undefined> => {
    await sleep(40);
    return ((await ask(lab.store, 'POST', '/v1/jobs/list', { machine: 'vm' })).body as JobsResult).jobs[0];
  };
  await write(0, 3 * MIB);
  const config = `libvirt: "off"\nqmp: [{name: vm, socket: ${machine.qmpSocket}}]\ndiscoverSeconds: 3600`;
  await lab.agent('hv1', config);
  await lab.umbra('protect', 'vm');
  await lab.untilDone(['vm'], 1);
  const before = Buffer.from(content);
  const atRest = (await namesIn(machine.monitor)).length;

  await write(8 * MIB, NEW_BYTES);
  disk.fill(STOP_BYTES + 12 * MIB);
  receivedBytes = 0;
  await lab.pass();
  await until(async () => (await job())?.state === 'retrying', 60_000);
  t.ok(receivedBytes > 4 * MIB && receivedBytes < NEW_BYTES, `after ${receivedBytes} bytes`);
  t.match(await job(), { error: { code: 'STORE_FULL', message: /nearly full/, hint: /umbra prune --gc/ } });
  const names = await namesIn(machine.monitor);
  t.notMatch(names.join(' '), /export|umbra-(scratch|filter|view)/, 'of the view nothing is left');
  receivedBytes = 0;
  t.match(await runUmbra(['backup', 'vm'], lab.store), { code: 6, stderr: /nearly full[^]*umbra prune --gc/ });
  t.equal(receivedBytes, 0);
  t.same(await namesIn(machine.monitor), names, 'the machine is not even asked');
  t.ok((await lab.restored('vm@replica')).equals(before), 'what was acknowledged is there');
  t.ok(((await lab.umbra('gc')) as GcResult).freedBytes > 4 * MIB, 'what came of it is given back');

  await write(4 * MIB, 65_536);
  disk.release();
  await until(async () => {
    await sleep(200);
    return ((await lab.umbra('status')) as StatusResult).space?.state !== 'stopped';
  });
  await lab.untilDone(['vm'], 2);
  t.ok((await lab.restored('vm@replica')).equals(content), 'it goes on by itself');
  t.ok(receivedBytes < NEW_BYTES + MIB, `${receivedBytes} bytes: what was changed since the last one that was made`);
  t.match(await lab.umbra('backup', 'vm'), { tracker: 'qemu-bitmap', readBytes: 0 });
  t.equal((await namesIn(machine.monitor)).length, atRest);
  t.match(await lab.umbra('verify'), { damagedObjects: [] });
});
