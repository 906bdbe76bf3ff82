import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { applyChanges, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { LibvirtMachine } from '../../../kit/libvirt-machine.js';

const AGENT = fileURLToPath(new URL('../../../kit/libvirt-agent-child.js', import.meta.url));

/** An agent that is killed as soon as it has made a checkpoint. */
async function killedAgent(machine: LibvirtMachine, id: string, since: string): Promise<void> {
  const agent = spawn(process.execPath, [AGENT, JSON.stringify(machine.trackerOptions()), id, since], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(agent, 'exit');
  await Promise.race([once(agent.stdout, 'data'), gone]);
  agent.kill('SIGKILL');
  await gone;
}

t.test('agent, libvirt and QEMU die in the midst of a checkpoint', async (t) => {
  const daemon = await privateLibvirt(t);
  const machine = new LibvirtMachine(daemon, 'dies', ['qcow2']);
  await machine.define();
  await machine.start();
  const tracker = machine.tracker();
  const first = await tracker.checkpoint(request('c1'));
  const content = await contentOf(volumeOf(first, 'vda'));
  await first.acknowledge();
  await first.close();

  await machine.write(0, 'write -P 1 1M 64k');
  await killedAgent(machine, 'c2', 'c1');
  const left = await machine.left();
  for (const each of ['checkpoint umbra-c2', /^job backup-/, /^file umbra-scratch-/, /^file umbra-nbd-/]) {
    t.ok(
      left.some((name) => (typeof each === 'string' ? name === each : each.test(name))),
      `${String(each)} is left`,
    );
  }
  const third = await tracker.checkpoint(request('c3', 'c1'));
  const { content: after, bytes } = await applyChanges(volumeOf(third, 'vda'), content);
  t.equal(bytes, 64 * 1024);
  t.ok(after.equals(await contentOf(volumeOf(third, 'vda'))));

  await daemon.kill();
  t.ok(after.equals(await contentOf(volumeOf(third, 'vda'))), 'the view outlives libvirt');
  await t.rejects(third.acknowledge(), { code: 'TRACKER_FAILED' });
  await third.close();
  await t.rejects(tracker.checkpoint(request('c4', 'c3')), { code: 'TRACKER_FAILED', hint: /systemctl/ });
  await daemon.start();
  await machine.write(0, 'write -P 2 2M 64k');
  const fourth = await tracker.checkpoint(request('c4', 'c3'));
  t.equal((await applyChanges(volumeOf(fourth, 'vda'), after)).bytes, 64 * 1024);

  await machine.kill();
  await t.rejects(contentOf(volumeOf(fourth, 'vda')), { code: 'IMAGE_CHANGED' });
  await fourth.close();
  await machine.start();
  const fifth = await tracker.checkpoint(request('c5', 'c3'));
  t.notOk(volumeOf(fifth, 'vda').changesKnown);
  await fifth.acknowledge();
  await fifth.close();
  t.strictSame(await machine.left(), ['bitmap umbra-c5', 'checkpoint umbra-c5']);
});
