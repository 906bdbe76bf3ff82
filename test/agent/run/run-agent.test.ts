import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { AgentBackupAnswer, MachinesResult, UnprotectAnswer } from '../../../src/protocol/agents-api.js';
import type { ShadowCopyInfo } from '../../../src/protocol/api.js';
import { startAgent, startAgentLab, type AgentLab } from '../../kit/agent-lab.js';
import { ask } from '../../kit/api-client.js';
import { atRest, checkLockstep, DISK_BYTES, makeDisks } from '../../kit/machine-lab.js';
import { namesIn, startMachine, waitForWrites, writeDisk } from '../../kit/qemu-machine.js';
import { qemuImg } from '../../kit/qemu.js';
import { Random, testSeed } from '../../kit/random.js';
import { runUmbra } from '../../kit/run-umbra.js';

const MIB = 1024 * 1024;

async function backUp({ umbra }: AgentLab, machine: string): Promise<AgentBackupAnswer> {
  return (await umbra('backup', machine)) as AgentBackupAnswer;
}

/** Two backups are asked for at once: the one that comes first, whichever it is, is made; the other one is refused. */
async function oneOfTwo(t: Test, { store }: AgentLab, machine: string): Promise<AgentBackupAnswer> {
  const outcomes = await Promise.all([1, 2].map(() => runUmbra(['backup', machine, '--json'], store)));
  const [made, refused] = outcomes.toSorted((a, b) => a.code - b.code);
  t.match(refused, { code: 4, stderr: /a backup of vm1 is running/ }, 'one at a time');
  t.match(made, { code: 0 });
  return JSON.parse(made?.stdout ?? '') as AgentBackupAnswer;
}

/** All volumes of the newest shadow copy, restored. */
async function restored({ umbra, directory }: AgentLab, machine: string): Promise<Buffer[]> {
  const target = join(directory, 'restored');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target);
  await umbra('restore', machine, '--to', target);
  const [newest] = ((await umbra('list', machine)) as readonly ShadowCopyInfo[]).slice(-1);
  return (newest?.volumes ?? []).map(({ name }) => readFileSync(join(target, `${name}.raw`)));
}

t.test('images of a directory, by comparing', async (t) => {
  const lab = await startAgentLab(t);
  const random = new Random(testSeed(t));
  const images = join(lab.directory, 'images');
  mkdirSync(images);
  const image = join(images, 'web.raw');
  const content = Buffer.concat([random.bytes(2 * MIB), Buffer.alloc(6 * MIB)]);
  writeFileSync(image, content.subarray(0, 2 * MIB));
  truncateSync(image, content.length);
  const { state, stop } = await lab.agent('hv1', `libvirt: "off"\ndirectories: [${images}]`);
  t.match((await runUmbra(['machines'], lab.store)).stdout, /web +hv1 +unknown +directory +.*8.00 MiB +vda +no/);
  t.match(await lab.umbra('protect', 'web', '--volume', 'vda'), { machine: 'web', host: 'hv1', volumes: ['vda'] });
  t.match((await runUmbra(['machines'], lab.store)).stdout, /as web, auto/);

  const full = await backUp(lab, 'web');
  t.match(full, { host: 'hv1', tracker: 'scan', consistency: 'offline', readBytes: 2 * MIB, sentBytes: 2 * MIB });
  const figures = String((await ask(lab.store, 'GET', '/metrics')).body);
  t.match(figures, /umbra_store_shadow_copies\{machine="web"\} 1\n[^]*umbra_agents_connected 1\n/);
  t.match(full.trackerReason, /qemu-bitmap: .*filter: /, 'it says why no better one');
  t.ok((await restored(lab, 'web'))[0]?.equals(content));

  random.bytes(5000).copy(content, MIB);
  writeFileSync(image, content.subarray(0, 2 * MIB));
  truncateSync(image, content.length);
  const second = await backUp(lab, 'web');
  t.ok(second.sentBytes < MIB, `${second.sentBytes} bytes were sent`);
  t.ok((await restored(lab, 'web'))[0]?.equals(content));
  t.match(await lab.umbra('list', 'web'), [{ tracker: 'scan', host: 'hv1', pauseMs: 0 }, { host: 'hv1' }]);
  const { stdout } = await runUmbra(['backup', 'web'], lab.store);
  t.match(
    stdout,
    /made by the agent of hv1 .*\n +tracker scan, offline consistency, pause 0 ms\n .* read, 0 B sent\n +why no better tracker: umbra machines web\n$/,
  );
  const details = await runUmbra(['machines', 'web'], lab.store);
  t.match(details.stdout, /newest: +\S+ by scan, offline, pause 0 ms\n +no better tracker: qemu-bitmap: [^]*filter: /);
  t.ok(
    details.stdout.split('\n').every((line) => line.length <= 80),
    details.stdout,
  );

  await refusals(t, lab);
  t.match(await lab.umbra('unprotect', 'web'), { name: 'web', host: 'hv1', agent: 'done' });
  await lab.umbra('protect', 'web');
  await stop();
  const gone = await runUmbra(['backup', 'web'], lab.store);
  t.equal(gone.code, 11, gone.stderr);
  t.match(gone.stderr, /the agent of hv1 is not connected/);
  t.match((await runUmbra(['machines'], lab.store)).stdout, /hv1 \(no agent\)/);

  t.match(await lab.umbra('unprotect', 'web'), { agent: 'unreachable' });
  const again = startAgent(t, state, `state: ${state}\nlibvirt: "off"\ndirectories: [${images}]`);
  const left = async (): Promise<boolean> => {
    const { machines } = (await lab.umbra('machines')) as MachinesResult;
    return machines.some(({ isConnected, lettingGo }) => !isConnected || lettingGo !== undefined);
  };
  while (await left());
  await lab.umbra('agent', 'revoke', 'hv1');
  await t.rejects(again.ended, { code: 'UNAUTHENTICATED' }, 'an agent that is revoked ends');
});

async function refusals(t: Test, lab: AgentLab): Promise<void> {
  const wrong = async (code: number, message: RegExp, ...commandLine: readonly string[]): Promise<void> => {
    const outcome = await runUmbra(commandLine, lab.store);
    t.equal(outcome.code, code, outcome.stderr);
    t.match(outcome.stderr, message);
  };
  await wrong(3, /no agent sees a machine "db" on any host/, 'protect', 'db');
  await wrong(3, /no agent sees a machine "web" on hv9/, 'protect', 'web', '--host', 'hv9');
  await wrong(3, /web has no volume "vdz"/, 'protect', 'web', '--volume', 'vdz');
  await wrong(2, /protected already, as web/, 'protect', 'web', '--as', 'other');
  await wrong(3, /"db" is not protected/, 'unprotect', 'db');
  await wrong(3, /"db" is not protected\nName its disk images/, 'backup', 'db');
}

t.test('a running machine, by its bitmaps', async (t) => {
  const lab = await startAgentLab(t);
  const machineDirectory = join(lab.directory, 'vm');
  mkdirSync(machineDirectory);
  const disks = makeDisks(machineDirectory);
  const machine = await startMachine(t, machineDirectory, { disks, writes: true });
  await waitForWrites(machine.monitor);
  const config = `libvirt: "off"\nqmp: [{name: vm1, socket: ${machine.qmpSocket}}]\ndiscoverSeconds: 3600`;
  const { state, stop } = await lab.agent('hv2', config);
  await lab.umbra('protect', 'vm1');

  const full = await oneOfTwo(t, lab, 'vm1');
  t.match(full, { tracker: 'qemu-bitmap', consistency: 'crash' });
  checkLockstep(t, await restored(lab, 'vm1'));
  await waitForWrites(machine.monitor);
  const second = await backUp(lab, 'vm1');
  t.ok(second.readBytes < full.readBytes + DISK_BYTES, `${second.readBytes} bytes were read`);
  checkLockstep(t, await restored(lab, 'vm1'));

  // An agent that is started anew goes on with the bitmap of its predecessor; first of all it lets go on what that left standing still.
  const { discovered } = ((await lab.umbra('machines')) as MachinesResult).machines[0] ?? {};
  await stop();
  await machine.monitor.execute('stop');
  const notes = { 'standstill.json': { frozen: false, paused: true }, 'unfinished.json': discovered };
  for (const [name, note] of Object.entries(notes)) {
    writeFileSync(join(state, 'machines', 'vm1', name), JSON.stringify(note));
  }
  startAgent(t, state, `${config}\nstate: ${state}\nscratch: ${join(lab.directory, 'scratch')}`);
  await waitForWrites(machine.monitor);
  while (((await lab.umbra('machines')) as MachinesResult).machines[0]?.isConnected !== true);
  await machine.monitor.execute('stop');
  const third = await backUp(lab, 'vm1');
  t.notMatch(third.notes.join(' '), /bitmap/, 'the bitmap is relied on');
  const contents = await restored(lab, 'vm1');
  const rest = ['done', ...atRest(disks)].join(' ');
  t.equal(await unprotected(lab, () => namesIn(machine.monitor)), rest, 'nothing is left in QEMU');
  await machine.stop();
  for (const [index, { file }] of disks.entries()) {
    const raw = join(lab.directory, `${index}.raw`);
    writeFileSync(raw, contents[index] ?? '');
    t.match(qemuImg('compare', '-f', 'qcow2', '-F', 'raw', file, raw), /identical/);
  }
});

t.test('a machine over QMP that is off, and on again', async (t) => {
  const lab = await startAgentLab(t);
  const machineDirectory = join(lab.directory, 'vm');
  mkdirSync(machineDirectory);
  const disks = makeDisks(machineDirectory, ['qcow2']);
  const first = await startMachine(t, machineDirectory, { disks });
  await writeDisk(first.monitor, 'vda', 'write -P 1 0 3M');
  const config = `libvirt: "off"\nqmp: [{name: vm1, socket: ${first.qmpSocket}}]\ndiscoverSeconds: 3600`;
  const { state, stop } = await lab.agent('hv2', config);
  await lab.umbra('protect', 'vm1');
  t.match(await backUp(lab, 'vm1'), { tracker: 'qemu-bitmap', consistency: 'crash', readBytes: 3 * MIB });
  await writeDisk(first.monitor, 'vda', 'write -P 2 4M 64k');
  await first.stop();
  t.match(await backUp(lab, 'vm1'), { tracker: 'qemu-bitmap', consistency: 'offline', readBytes: 65_536 });

  // What its disks are is known to the next agent, too.
  await stop();
  startAgent(t, state, `${config}\nstate: ${state}\nscratch: ${join(lab.directory, 'scratch')}`);
  const seen = async (): Promise<MachinesResult> => (await lab.umbra('machines')) as MachinesResult;
  while ((await seen()).machines[0]?.discovered?.state !== 'off');
  t.match(await seen(), { machines: [{ discovered: { state: 'off', volumes: [{ name: 'vda' }] } }], notes: [] });
  t.match(await backUp(lab, 'vm1'), { tracker: 'qemu-bitmap', consistency: 'offline', readBytes: 65_536 });
  await lab.umbra('protect', 'vm1', '--tracker', 'scan');
  t.match(await backUp(lab, 'vm1'), { tracker: 'scan', consistency: 'offline', sentBytes: 0 });
  t.match(await lab.umbra('unprotect', 'vm1'), { agent: 'done' }, 'while it is off');
  const second = await startMachine(t, machineDirectory, { disks });
  await second.stop();
  const raw = join(lab.directory, 'content.raw');
  writeFileSync(raw, (await restored(lab, 'vm1'))[0] ?? '');
  t.match(qemuImg('compare', '-f', 'qcow2', '-F', 'raw', disks[0]?.file ?? '', raw), /identical/);
});

/** Unprotect the machine; whether its agent has taken away all that is ours, and what is in its QEMU then. */
async function unprotected({ umbra }: AgentLab, names: () => Promise<string[]>): Promise<string> {
  const { agent } = (await umbra('unprotect', 'vm1')) as UnprotectAnswer;
  return [agent, ...(await names()).sort()].join(' ');
}

t.test('images below a filter', async (t) => {
  const lab = await startAgentLab(t);
  const random = new Random(testSeed(t));
  const images = join(lab.directory, 'filtered');
  mkdirSync(images);
  const image = join(images, 'db.raw');
  const content = random.bytes(10 * MIB);
  writeFileSync(image, content);
  const state = join(lab.directory, 'agent-hv3');
  await lab.umbra('agent', 'filter', images, '--state', state);
  t.teardown(() => execFileSync('fusermount', ['-u', '-z', images]));
  await lab.agent('hv3', `libvirt: "off"\ndirectories: [${images}]\nfilters: [${images}]\ndiscoverSeconds: 3600`);
  await lab.umbra('protect', 'db');
  t.match(await backUp(lab, 'db'), { tracker: 'filter', consistency: 'crash' });
  const handle = openSync(image, 'r+');
  const change = random.bytes(9000);
  change.copy(content, 5 * MIB);
  writeSync(handle, change, 0, change.length, 5 * MIB);
  const second = await backUp(lab, 'db');
  closeSync(handle);
  t.match(second, { tracker: 'filter' });
  t.ok(second.readBytes < MIB, `${second.readBytes} bytes were read`);
  t.ok((await restored(lab, 'db'))[0]?.equals(content));
  t.match(await lab.umbra('unprotect', 'db'), { agent: 'done' });
});
