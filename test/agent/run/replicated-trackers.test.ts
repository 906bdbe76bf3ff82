import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { KeepReplicaResult } from '../../../src/protocol/api.js';
import { makeDisks } from '../../kit/machine-lab.js';
import { NumberedWriter } from '../../kit/numbered-writer.js';
import { behind, overlaysIn } from '../../kit/overlays.js';
import { startMachine, waitForWrites } from '../../kit/qemu-machine.js';
import { Random, testSeed } from '../../kit/random.js';
import { startReplicaLab, type ReplicaLab } from '../../kit/replica-lab.js';

const MIB = 1024 * 1024;
const TIMES = 2;

/** Make a shadow copy of a replica, and say of what tracker it is. */
async function keep(t: Test, lab: ReplicaLab, machine: string, tracker: string): Promise<Buffer> {
  const replica = await lab.restored(`${machine}@replica`);
  const kept = (await lab.umbra('backup', machine, '--from-replica')) as KeepReplicaResult;
  t.match(kept, { isNew: true, shadowCopy: { tracker, consistency: 'crash' } });
  const content = await lab.restored(machine);
  t.ok(content.equals(replica), 'the shadow copy is what the replica was');
  return content;
}

t.test('machines that are written all the time, by their overlays and by a filter', async (t) => {
  const lab = await startReplicaLab(t);
  const random = new Random(testSeed(t));
  const [images, vm] = [join(lab.directory, 'images'), join(lab.directory, 'vm')];
  for (const directory of [images, vm]) mkdirSync(directory);
  const first = random.bytes(4 * MIB);
  const image = join(images, 'db.raw');
  writeFileSync(image, first);
  await lab.umbra('agent', 'filter', images, '--state', join(lab.directory, 'agent-hv1'));
  t.teardown(() => execFileSync('fusermount', ['-u', '-z', images]));
  const writer = await NumberedWriter.start(t, image, first, random);
  const machine = await startMachine(t, vm, { disks: makeDisks(vm, ['qcow2']), writes: true });
  await waitForWrites(machine.monitor);
  const agent = await lab.agent(
    'hv1',
    `libvirt: "off"\nqmp: [{name: vm, socket: ${machine.qmpSocket}, overlays: true}]\ndirectories: [${images}]\nfilters: [${images}]\ndiscoverSeconds: 3600`,
  );
  await lab.umbra('protect', 'vm', '--tracker', 'differencing');
  await lab.umbra('protect', 'db', '--tracker', 'filter');
  let moment = 0;
  for (let times = 1; times <= TIMES; times += 1) {
    const begun = times === 1 ? 0 : writer.begun;
    if (times > 1) await lab.pass();
    await lab.untilDone(['vm', 'db'], times);
    await waitForWrites(machine.monitor, 4);
    const [overlay = '', ...others] = overlaysIn(vm);
    t.same(others, [], 'one overlay, which takes what is written since');
    t.ok((await keep(t, lab, 'vm', 'differencing')).equals(behind(join(vm, overlay))), 'as the disk was when it began');
    const next = writer.momentOf(await keep(t, lab, 'db', 'filter')) ?? 0;
    t.ok(next >= begun && next > moment && next < writer.begun, `after write ${next} of those since ${begun}`);
    moment = next;
  }
  t.match(await lab.umbra('verify'), { damagedObjects: [] });
  await writer.stop();
  await agent.stop();
});
