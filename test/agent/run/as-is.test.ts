import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readAgentConfig } from '../../../agent/run/agent-config.js';
import { hostTrackers } from '../../../agent/run/host-trackers.js';
import { systemClock } from '../../../src/common/clock.js';
import { silentLog } from '../../../src/common/log.js';
import type { NewToken } from '../../../src/protocol/access-api.js';
import type { AgentBackupAnswer, DiscoveredMachine, MachinesResult } from '../../../src/protocol/agents-api.js';
import { startAgentLab, type AgentLab } from '../../kit/agent-lab.js';
import { imageContent } from '../../kit/overlays.js';
import { qemuImg, qemuIo } from '../../kit/qemu.js';
import { runUmbra, type Outcome } from '../../kit/run-umbra.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('a machine whose files are stored as they are, from its protection to a merged disk', async (t) => {
  const lab = await startAgentLab(t);
  const images = join(lab.directory, 'images');
  mkdirSync(images);
  const [base, top] = [join(images, 'base.raw'), join(images, 'top.qcow2')];
  qemuImg('create', '-q', '-f', 'raw', base, '4M');
  await qemuIo(base, 'raw', 'write -P 1 0 1M');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', top);
  await qemuIo(top, 'qcow2', 'write -P 2 512k 1M');
  const disk = `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${top}'/><target dev='vda'/></disk>`;
  const uuid = '6f2a1b3c-0001-4000-8000-000000000001';
  const xml = `<domain type='kvm'><name>lab</name><uuid>${uuid}</uuid><devices>${disk}</devices></domain>`;
  writeFileSync(join(images, 'lab.xml'), xml);
  await lab.agent('hv1', `libvirt: "off"\nconfigFiles: [${images}]`);

  const wrong = await runUmbra(['protect', 'lab', '--as-is', '--tracker', 'scan'], lab.store);
  t.match(wrong, { code: 2, stderr: /no files as they are/ });
  t.match(await lab.umbra('protect', 'lab', '--as-is'), { machine: 'lab', tracker: 'auto', asIs: true });
  t.match(await lab.umbra('machines'), { machines: [{ machine: 'lab', asIs: true }] });
  t.match((await runUmbra(['machines'], lab.store)).stdout, /as lab, auto, files as they are/);
  const made = (await lab.umbra('backup', 'lab')) as AgentBackupAnswer;
  t.match(made, { tracker: 'differencing', consistency: 'offline', notes: [] });
  t.match(await lab.umbra('list', 'lab'), [{ volumes: [{ name: 'vda.0' }, { name: 'vda.1' }] }]);
  t.match(
    await lab.umbra('ls', 'lab'),
    { filesystems: [{ name: 'vda' }] },
    'what is inside is that of the merged disk',
  );
  const to = join(lab.directory, 'vda.raw');
  await lab.umbra('restore', 'lab', '--volume', 'vda', '--merge', '--to', to);
  t.ok(readFileSync(to).equals(imageContent(top, 'qcow2')));
  await mergedElsewhere(t, lab, imageContent(top, 'qcow2'));

  await lab.umbra('protect', 'lab', '--tracker', 'scan');
  const { machines } = (await lab.umbra('machines')) as MachinesResult;
  t.equal(machines[0]?.asIs, undefined, 'it is protected otherwise');
  await lab.umbra('backup', 'lab');
  t.match(await lab.umbra('list', 'lab'), [{}, { volumes: [{ name: 'vda', sizeBytes: 4 * 1024 * 1024 }] }]);
});

/** The same by a client that has no store, of one disk, onto a file that is there, and of all. */
async function mergedElsewhere(t: Test, { directory, port, umbra }: AgentLab, wanted: Buffer): Promise<void> {
  const { token } = (await umbra('token', 'add', 'anna')) as NewToken;
  const elsewhere = join(directory, 'elsewhere');
  mkdirSync(elsewhere);
  const variables = { UMBRA_TOKEN: token };
  const restore = (...more: readonly string[]): Promise<Outcome> =>
    runUmbra(['restore', 'lab', '--merge', '--server', `https://127.0.0.1:${port}`, '--json', ...more], undefined, {
      variables,
      directory: elsewhere,
    });
  const file = join(elsewhere, 'disk');
  writeFileSync(file, Buffer.alloc(wanted.length, 3));
  t.match(await restore('--volume', 'vda', '--to', 'disk'), { code: 0, stdout: /"differential": ?true/ });
  t.ok(readFileSync(file).equals(wanted));
  t.match(await restore('--to', 'all'), { code: 0, stderr: '' });
  t.ok(readFileSync(join(elsewhere, 'all', 'vda.raw')).equals(wanted));
  t.same(readdirSync(join(elsewhere, 'all')), ['config', 'vda.raw'], 'no files of it are left');
  t.match(await restore('--volume', 'vdb', '--to', 'x'), { code: 3, stdout: /has no disk \\"vdb\\"/ });
  t.same(readdirSync(elsewhere), ['all', 'disk']);
}

t.test('a machine that runs', async (t) => {
  const directory = temporaryDirectory(t);
  const machine: DiscoveredMachine = {
    name: 'a',
    source: 'qmp',
    state: 'running',
    volumes: [],
    skipped: [],
    configPaths: [],
  };
  const config = {
    ...readAgentConfig(undefined),
    state: join(directory, 'state'),
    scratch: join(directory, 'scratch'),
  };
  for (const state of ['running', 'paused'] as const) {
    const all = await hostTrackers({ config, clock: systemClock, log: silentLog }, { ...machine, state }, 'a');
    t.match(
      all.filter(({ asIs }) => asIs === true),
      [{ reason: /only while it is off/ }],
      state,
    );
  }
});
