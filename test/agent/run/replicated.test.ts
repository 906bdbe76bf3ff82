import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { NewToken } from '../../../src/protocol/access-api.js';
import type { AgentBackupAnswer } from '../../../src/protocol/agents-api.js';
import type { KeepReplicaResult, ShadowCopyInfo, StatsResult } from '../../../src/protocol/api.js';
import { startAgent, type AgentLab } from '../../kit/agent-lab.js';
import { ask, until } from '../../kit/api-client.js';
import { makeDisks } from '../../kit/machine-lab.js';
import { startMachine, writeDisk } from '../../kit/qemu-machine.js';
import { qemuImg } from '../../kit/qemu.js';
import { Random, testSeed } from '../../kit/random.js';
import { startReplicaLab } from '../../kit/replica-lab.js';
import { runUmbra } from '../../kit/run-umbra.js';

const MIB = 1024 * 1024;

async function names({ umbra }: AgentLab, machine: string, ...options: readonly string[]): Promise<string[]> {
  return ((await umbra('list', machine, ...options)) as readonly ShadowCopyInfo[]).map(({ shadowCopy }) => shadowCopy);
}

t.test('images that are compared: what users have of a replica', async (t) => {
  const lab = await startReplicaLab(t);
  const random = new Random(testSeed(t));
  const images = join(lab.directory, 'images');
  mkdirSync(images);
  const image = join(images, 'web.raw');
  const content = random.bytes(6 * MIB);
  const change = (): Buffer => {
    random.bytes(5000).copy(content, random.below(6 * MIB - 5000));
    writeFileSync(image, content);
    return Buffer.from(content);
  };
  change();
  const config = `libvirt: "off"\ndirectories: [${images}]\ndiscoverSeconds: 3600`;
  const agent = await lab.agent('hv1', config);
  await lab.umbra('protect', 'web');
  await lab.replicate('web');
  t.same(await names(lab, 'web'), [], 'it is no version');
  t.ok((await lab.restored('web@replica')).equals(content), 'before there is any shadow copy');
  const first = (await lab.umbra('backup', 'web')) as AgentBackupAnswer;
  t.equal(first.sentBytes, 0, 'a shadow copy goes on from the replica');
  const listed = Buffer.from(content);
  for (let times = 0; times < 3; times += 1) {
    change();
    await lab.replicate('web');
    t.ok((await lab.restored('web@replica')).equals(content));
  }
  t.ok((await lab.restored('web')).equals(listed), 'latest is the newest shadow copy');
  t.equal((await names(lab, 'web')).length, 1);
  t.match((await runUmbra(['list'], lab.store)).stdout, /web@replica is as of \S+ \S+.*: offline, scan, 6.00 MiB\n$/);
  t.match(
    (await runUmbra(['status'], lab.store)).stdout,
    /REPLICA +SHADOW COPY .*\nweb +hv1 +\w+ +\d+ \w+ +\d+ \w+ +1h/,
  );
  t.match(await lab.umbra('stats'), {
    shadowCopies: 1,
    replicas: 1,
    replicaBytes: 6 * MIB,
  } satisfies Partial<StatsResult>);
  t.match(await lab.umbra('verify'), { damagedObjects: [] });
  const figures = String((await ask(lab.store, 'GET', '/metrics')).body);
  t.match(figures, /umbra_replica_age_seconds\{machine="web"\} \d/);
  t.match(figures, /umbra_shadow_copy_age_seconds\{machine="web"\} \d/);

  // From elsewhere.
  const token = join(lab.directory, 'token');
  writeFileSync(token, ((await lab.umbra('token', 'add', 'anna')) as NewToken).token, { mode: 0o600 });
  const there = join(lab.directory, 'there.raw');
  const server = ['--server', `https://127.0.0.1:${lab.port}`, '--token-file', token];
  t.match(await runUmbra(['restore', 'web@replica', '--volume', 'vda', '--to', there, ...server]), { code: 0 });
  t.ok(readFileSync(there).equals(content));

  // The host is dead.
  await agent.stop();
  const kept = (await lab.umbra('backup', 'web', '--from-replica')) as KeepReplicaResult;
  t.match(kept, { isNew: true, shadowCopy: { machine: 'web', tracker: 'scan', consistency: 'offline', host: 'hv1' } });
  t.equal((await names(lab, 'web')).at(-1), kept.shadowCopy.shadowCopy);
  t.ok((await lab.restored('web')).equals(content));
  t.match((await runUmbra(['backup', 'web', '--from-replica'], lab.store)).stdout, /nothing to do/);
  t.match(await runUmbra(['backup', 'web', 'x.raw', '--from-replica'], lab.store), {
    code: 2,
    stderr: /reads no images/,
  });
  t.match(await runUmbra(['list', '--replicas'], lab.store), { stdout: /No replica is newer/ });

  const again = startAgent(
    t,
    agent.state,
    `${config}\nstate: ${agent.state}\nscratch: ${join(lab.directory, 'scratch')}`,
  );
  change();
  await lab.replicate('web');
  const second = (await lab.umbra('backup', 'web')) as AgentBackupAnswer;
  t.equal(second.sentBytes, 0, 'it costs what changed since the last replication');
  t.ok((await lab.restored('web')).equals(content));
  t.match(await runUmbra(['forget', 'web@replica'], lab.store), { code: 3, stderr: /no replica that is newer/ });
  change();
  await lab.replicate('web');
  const count = (await names(lab, 'web')).length;
  await lab.umbra('forget', 'web@replica');
  t.equal((await names(lab, 'web')).length, count);
  t.same(await names(lab, 'web', '--replicas'), []);
  const last = change();
  await lab.replicate('web');
  t.ok((await lab.restored('web@replica')).equals(last), 'what is sent after that is exact');
  const { stdout } = await runUmbra(['unprotect', 'web'], lab.store);
  t.match(stdout, /Its replica is the shadow copy web@2/);
  t.ok((await lab.restored('web')).equals(last), 'nothing is lost when it is protected no more');
  await again.stop();
});

t.test('a running machine, by its bitmaps', async (t) => {
  const lab = await startReplicaLab(t);
  const directory = join(lab.directory, 'vm');
  mkdirSync(directory);
  const disks = makeDisks(directory, ['qcow2']);
  const machine = await startMachine(t, directory, { disks });
  await writeDisk(machine.monitor, 'vda', 'write -P 1 0 3M');
  const config = `libvirt: "off"\nqmp: [{name: vm1, socket: ${machine.qmpSocket}}]\ndiscoverSeconds: 3600`;
  const { state, stop } = await lab.agent('hv2', config);
  await lab.umbra('protect', 'vm1');
  await lab.replicate('vm1');
  const models: Buffer[] = [];
  for (let times = 1; times <= 3; times += 1) {
    await writeDisk(machine.monitor, 'vda', `write -P ${times + 1} ${4 + times}M 64k`);
    await lab.replicate('vm1');
    const model = Buffer.alloc(16 * MIB).fill(1, 0, 3 * MIB);
    for (let at = 1; at <= times; at += 1) model.fill(at + 1, (4 + at) * MIB, (4 + at) * MIB + 65_536);
    models.push(model);
    t.ok((await lab.restored('vm1@replica')).equals(model), `replication ${times}`);
  }
  // An agent that was killed goes on from the replica, too.
  await stop();
  startAgent(t, state, `${config}\nstate: ${state}\nscratch: ${join(lab.directory, 'scratch')}`);
  await until(async () => {
    const answer = (await ask(lab.store, 'POST', '/v1/machines/list', { discover: false })).body;
    return JSON.stringify(answer).includes('"isConnected":true');
  });
  await writeDisk(machine.monitor, 'vda', 'write -P 9 12M 64k');
  const copy = (await lab.umbra('backup', 'vm1')) as AgentBackupAnswer;
  t.match(copy, { tracker: 'qemu-bitmap', consistency: 'crash', readBytes: 65_536 }, 'only what changed since is read');
  await machine.stop();
  const raw = join(lab.directory, 'content.raw');
  writeFileSync(raw, await lab.restored('vm1'));
  t.match(qemuImg('compare', '-f', 'qcow2', '-F', 'raw', disks[0]?.file ?? '', raw), /identical/);
  const old = join(lab.directory, 'exported.qcow2');
  await lab.umbra('export', 'vm1@replica', '--volume', 'vda', '--to', old);
  t.match(qemuImg('compare', '-f', 'qcow2', '-F', 'raw', old, raw), /identical/, 'a shadow copy is up to date, too');
});
