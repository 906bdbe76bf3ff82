import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findDisks } from '../../../agent/qemu/disks.js';
import type { AgentBackupAnswer } from '../../../src/protocol/agents-api.js';
import { startAgentLab } from '../../kit/agent-lab.js';
import { checkLockstep, makeDisks } from '../../kit/machine-lab.js';
import { chainsOf, imageContent, jobsIn, overlaysIn } from '../../kit/overlays.js';
import { startMachine, waitForWrites } from '../../kit/qemu-machine.js';
import { qemuImg, qemuIo } from '../../kit/qemu.js';
import { runUmbra } from '../../kit/run-umbra.js';

const MIB = 1024 * 1024;

t.test('files of a machine that runs, stored as they lie', async (t) => {
  const lab = await startAgentLab(t);
  const directory = join(lab.directory, 'vm');
  mkdirSync(directory);
  const [base, top] = [join(directory, 'base.raw'), join(directory, 'top.qcow2')];
  qemuImg('create', '-q', '-f', 'raw', base, '16M');
  await qemuIo(base, 'raw', 'write -P 1 4M 8M');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', top);
  const own = makeDisks(directory, ['raw', 'raw'])[1] ?? { file: '', format: 'raw', id: 'vdb' };
  const disks = [{ file: top, format: 'qcow2', id: 'vda' } as const, own];
  const machine = await startMachine(t, directory, { disks, writes: true });
  const { monitor } = machine;
  const socket = (more: string): string => `libvirt: "off"\nqmp: [{name: vm1, socket: ${machine.qmpSocket}${more}}]`;
  const { stop } = await lab.agent('hv1', socket(''));
  await lab.umbra('protect', 'vm1', '--as-is');
  t.match(await runUmbra(['backup', 'vm1'], lab.store), { code: 13, stderr: /only while it is off.*overlays: true/ });
  await lab.umbra('unprotect', 'vm1');
  await stop();

  await lab.agent('hv2', `${socket(', overlays: true')}\ndiscoverSeconds: 3600`);
  await lab.umbra('protect', 'vm1', '--as-is', '--host', 'hv2');
  const backUp = async (): Promise<AgentBackupAnswer> => (await lab.umbra('backup', 'vm1')) as AgentBackupAnswer;
  const merged = async (to: string): Promise<Buffer[]> => {
    await lab.umbra('restore', 'vm1', '--merge', '--to', join(lab.directory, to));
    return ['vda', 'vdb'].map((name) => readFileSync(join(lab.directory, to, `${name}.raw`)));
  };
  await waitForWrites(monitor);
  const first = await backUp();
  t.match(first, { tracker: 'differencing', consistency: 'crash', notes: [/no guest agent/] });
  const contents = await merged('first');
  checkLockstep(t, contents);
  t.ok(contents[0]?.equals(imageContent(top, 'qcow2')), 'what lies behind the overlay stays as it is');
  await waitForWrites(monitor);
  await backUp();
  const later = await merged('second');
  checkLockstep(t, later);
  t.ok((later[0]?.readUInt32LE(0) ?? 0) > (contents[0]?.readUInt32LE(0) ?? 0), 'what was written since is there');
  t.ok(later[0]?.subarray(5 * MIB, 6 * MIB).every((byte) => byte === 1));
  t.match(await lab.umbra('list', 'vm1'), [{}, { volumes: [{ name: 'vda.0' }, { name: 'vda.1' }, { name: 'vdb.0' }] }]);
  t.equal(overlaysIn(directory).length, 2, 'one on each disk');
  t.match(await chainsOf(monitor), [
    [/^umbra-/, 'top.qcow2', 'base.raw'],
    [/^umbra-/, 'vdb.raw'],
  ]);

  // Somebody's snapshot lies on ours.
  await monitor.execute('stop');
  const ours = (await findDisks(monitor)).disks[1];
  await monitor.execute('blockdev-snapshot-sync', {
    'node-name': ours?.node,
    'snapshot-file': join(directory, 'theirs.qcow2'),
    'snapshot-node-name': 'theirs',
    format: 'qcow2',
  });
  const left = await runUmbra(['unprotect', 'vm1'], lab.store);
  const said =
    /could not take away all that it kept there: overlays of others lie on \/\S+\/umbra-\w+-vdb.qcow2\nDelete these snapshots.*\n.*"umbra unprotect vm1"/;
  t.match(left, { code: 0, stdout: said });
  t.match(left.stdout, /^vm1 is no longer protected; its shadow copies stay\n/);
  const about = await runUmbra(['machines', 'vm1'], lab.store);
  t.match(
    about.stdout.replaceAll(/\s+/g, ' '),
    /protected: no .* overlays of others lie on \S+ Delete these snapshots/,
  );
  t.match(await lab.umbra('machines', 'vm1'), {
    machines: [{ host: 'hv1', lettingGo: undefined }, { lettingGo: { machine: 'vm1', agent: 'failed' } }],
  });
  t.match(await lab.umbra('unprotect', 'vm1'), { agent: 'failed', left: { code: 'TRACKER_FAILED', hint: /virsh/ } });
  await monitor.execute('block-commit', {
    'job-id': 'theirs',
    device: 'theirs',
    'top-node': 'theirs',
    'base-node': ours?.node,
  });
  while (!JSON.stringify(await monitor.execute('query-jobs')).includes('"ready"'));
  await monitor.execute('job-complete', { id: 'theirs' });
  while ((await jobsIn(monitor)).length > 0);
  t.match(await lab.umbra('unprotect', 'vm1'), { name: 'vm1', agent: 'done' });
  t.same(overlaysIn(directory), []);
  await monitor.execute('cont');
  t.same(await chainsOf(monitor), [['top.qcow2', 'base.raw'], ['vdb.raw']]);
  await waitForWrites(monitor);
});
