import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readAgentConfig } from '../../../agent/run/agent-config.js';
import { hostTrackers } from '../../../agent/run/host-trackers.js';
import { systemClock } from '../../../src/common/clock.js';
import { silentLog } from '../../../src/common/log.js';
import type { AgentBackupAnswer, DiscoveredMachine, MachinesResult } from '../../../src/protocol/agents-api.js';
import { startAgentLab } from '../../kit/agent-lab.js';
import { imageContent } from '../../kit/overlays.js';
import { qemuImg, qemuIo } from '../../kit/qemu.js';
import { runUmbra } from '../../kit/run-umbra.js';
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
  const to = join(lab.directory, 'vda.raw');
  await lab.umbra('restore', 'lab', '--volume', 'vda', '--merge', '--to', to);
  t.ok(readFileSync(to).equals(imageContent(top, 'qcow2')));

  await lab.umbra('protect', 'lab', '--tracker', 'scan');
  const { machines } = (await lab.umbra('machines')) as MachinesResult;
  t.equal(machines[0]?.asIs, undefined, 'it is protected otherwise');
  await lab.umbra('backup', 'lab');
  t.match(await lab.umbra('list', 'lab'), [{}, { volumes: [{ name: 'vda', sizeBytes: 4 * 1024 * 1024 }] }]);
});

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
