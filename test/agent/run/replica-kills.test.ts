import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { AgentBackupAnswer } from '../../../src/protocol/agents-api.js';
import type { JobsResult } from '../../../src/protocol/jobs-api.js';
import { openLocalEngine } from '../../../src/server/local-engine.js';
import { startAgent } from '../../kit/agent-lab.js';
import { ask, until } from '../../kit/api-client.js';
import { atRest, DISK_BYTES, makeDisks } from '../../kit/machine-lab.js';
import { namesIn, startMachine, writeDisk } from '../../kit/qemu-machine.js';
import { Random, testSeed } from '../../kit/random.js';
import { startReplicaLab, type ReplicaLab } from '../../kit/replica-lab.js';
import { temporaryDirectory } from '../../kit/temporary.js';
import { LastingProgram, umbra } from '../../kit/trust/fleet/program.js';
import { watchUploads } from '../../kit/watched-uploads.js';

const MIB = 1024 * 1024;
const BUSY_MS = 90_000;

async function untilConnected({ store }: ReplicaLab): Promise<void> {
  await until(async () => {
    await sleep(40);
    const answer = (await ask(store, 'POST', '/v1/machines/list', { discover: false })).body;
    return JSON.stringify(answer).includes('"isConnected":true');
  }, BUSY_MS);
}

/** Wait until the agent has said that it knows nothing of what it was at: that is tried again in half a minute at the earliest. */
async function untilRetrying({ store }: ReplicaLab, machine: string): Promise<void> {
  await until(async () => {
    await sleep(40);
    const { jobs } = (await ask(store, 'POST', '/v1/jobs/list', { machine })).body as JobsResult;
    return jobs[0]?.state === 'retrying';
  }, BUSY_MS);
}

t.test('an agent is killed after a replication was made durable, and before it is told', async (t) => {
  const both = ['vm', 'web'] as const;
  /** Those whose replication the agent is not to hear of. */
  const unheard = new Set<string>();
  const received = new Map<string, number>();
  const home = temporaryDirectory(t);
  const file = join(home, 'agent.yaml');
  const program = new LastingProgram(t, umbra('agent', 'run', '--config', file), join(home, 'agent.log'));
  let allCommitted = (): void => undefined;
  let killed = Promise.resolve();
  const arm = (): void => {
    for (const machine of both) unheard.add(machine);
    const committed = new Promise<void>((resolve) => (allCommitted = resolve));
    killed = committed.then(() => program.kill());
  };
  const lab = await startReplicaLab(t, {
    openEngine: async (options) =>
      watchUploads(await openLocalEngine(options), {
        committed: async (machine) => {
          if (!unheard.delete(machine)) return;
          if (unheard.size === 0) allCommitted();
          await killed;
        },
        received: (machine, bytes) => received.set(machine, (received.get(machine) ?? 0) + bytes),
      }),
  });
  // By bitmaps, and by comparing.
  const random = new Random(testSeed(t));
  const [images, vm] = [join(lab.directory, 'images'), join(lab.directory, 'vm')];
  for (const directory of [images, vm]) mkdirSync(directory);
  const disks = makeDisks(vm, ['qcow2']);
  const machine = await startMachine(t, vm, { disks });
  const contents = { vm: Buffer.alloc(DISK_BYTES), web: random.bytes(6 * MIB) };
  await writeDisk(machine.monitor, 'vda', 'write -P 255 0 5M');
  contents.vm.fill(255, 0, 5 * MIB);
  let step = 0;
  const change = async (): Promise<void> => {
    step += 1;
    await writeDisk(machine.monitor, 'vda', `write -P ${step} ${step}M 64k`);
    contents.vm.fill(step, step * MIB, step * MIB + 65_536);
    random.bytes(5000).copy(contents.web, random.below(6 * MIB - 5000));
    writeFileSync(join(images, 'web.raw'), contents.web);
  };
  const same = async (version = ''): Promise<void> => {
    for (const name of both)
      t.ok((await lab.restored(`${name}${version}`)).equals(contents[name]), `${name}${version} is exact`);
  };
  await change();
  const machines = `qmp: [{name: vm, socket: ${machine.qmpSocket}}]\ndirectories: [${images}]`;
  const settings = `libvirt: "off"\n${machines}\ndiscoverSeconds: 3600`;
  const first = await lab.agent('hv1', settings);
  for (const name of both) await lab.umbra('protect', name);
  await lab.untilDone(both, 1);
  await first.stop();

  const { state } = first;
  const config = `${settings}\nstate: ${state}\nscratch: ${join(lab.directory, 'scratch')}\n`;
  writeFileSync(file, config);
  const killOnce = async (): Promise<void> => {
    program.start();
    await untilConnected(lab);
    await change();
    arm();
    await lab.pass();
    await until(() => !program.isRunning, BUSY_MS);
    t.equal(unheard.size, 0, 'of both it was made durable');
    await same('@replica');
    received.clear();
  };

  await killOnce();
  await change();
  let agent = startAgent(t, state, config);
  for (const name of both) await untilRetrying(lab, name);
  await lab.pass(2);
  await lab.untilDone(both, 2);
  await same('@replica');
  t.ok(
    [...received.values()].every((bytes) => bytes < 2 * MIB),
    `a delta suffices: ${[...received].join(' ')}`,
  );
  t.same(received.size, 2);
  await agent.stop();

  await killOnce();
  await change();
  agent = startAgent(t, state, config);
  for (const name of both) await untilRetrying(lab, name);
  const [made, compared] = (await Promise.all(both.map((name) => lab.umbra('backup', name)))) as AgentBackupAnswer[];
  t.match(made, { readBytes: 65_536, sentBytes: 65_536 }, 'only what was written since is read');
  t.ok((compared?.sentBytes ?? MIB) < MIB, `${compared?.sentBytes} bytes are sent`);
  await same();
  t.same((await namesIn(machine.monitor)).length, atRest(disks, 'x').length, 'of former checkpoints nothing is left');
  t.match(await lab.umbra('verify'), { damagedObjects: [] });
  await agent.stop();
});
