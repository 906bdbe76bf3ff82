import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { requests } from '../../../src/client/requests.js';
import { AgentsLab } from '../agents/lab.js';
import { log } from '../log.js';
import type { GrowthContext } from './growth-context.js';
import { measureCost } from './growth-server.js';
import type { OperationName } from './operations.js';
import { SparseVolume } from './volume.js';

const HOST = 'host1';
const CHANGES = 3;
const REPEATS = 20;
const WARM_UP = 5;

/** What an agent's backup takes of a volume of `gib`, ever more shadow copies of which there are. */
export async function measureAgent(
  gib: number,
  copies: readonly number[],
  { directory, dataMib, seed, signal, add }: GrowthContext,
): Promise<void> {
  const images = path.join(directory, 'images');
  mkdirSync(images, { recursive: true });
  const volume = new SparseVolume(path.join(images, 'grown.raw'), gib, dataMib, seed);
  const lab = await AgentsLab.start(path.join(directory, 'umbra'));
  try {
    await lab.addAgent(HOST, ['libvirt: off', `directories: [${images}]`]);
    await lab.protect(HOST, 'grown', 'grown', 'scan');
    const backUp = async (): Promise<void> => {
      signal.throwIfAborted();
      await lab.ask('grown');
    };
    let made = 0;
    for (const count of copies) {
      log(`growth: ${count} shadow copies of ${gib} GiB, by an agent`);
      for (; made < count; made++) {
        volume.change();
        await backUp();
      }
      for (let time = 0; time < CHANGES; time++, made++) {
        volume.change();
        add('agentBackup', { copies: count, gib, machines: 1 }, await measureCost(lab.pids, lab.serverPid, backUp, 1));
      }
    }
  } finally {
    await lab.close();
  }
}

/** What {@link measureMachines} measures. */
export const OF_MACHINES: readonly OperationName[] = ['status', 'listMachine', 'listAll', 'pruneDry', 'agentBackup'];

/** What is asked for all machines together, the more of which one host has. */
export async function measureMachines(
  machines: readonly number[],
  { directory, seed, only, signal, add }: GrowthContext,
): Promise<void> {
  const images = path.join(directory, 'images');
  mkdirSync(images, { recursive: true });
  const names = Array.from({ length: machines.at(-1) ?? 0 }, (_, index) => `machine${index + 1}`);
  for (const [index, name] of names.entries()) new SparseVolume(path.join(images, `${name}.raw`), 1, 1, seed + index);
  const lab = await AgentsLab.start(path.join(directory, 'umbra'));
  try {
    await lab.addAgent(HOST, ['libvirt: off', `directories: [${images}]`]);
    let made = 0;
    for (const count of machines) {
      log(`growth: ${count} machines`);
      for (const name of names.slice(made, count)) {
        signal.throwIfAborted();
        await lab.protect(HOST, name, name, 'scan');
        await lab.ask(name);
      }
      made = count;
      const asked: readonly (readonly [OperationName, () => Promise<unknown>])[] = [
        ['status', () => lab.client.call(requests.status())],
        ['listMachine', () => lab.client.call(requests.list('machine1'))],
        ['listAll', () => lab.client.call(requests.list(undefined))],
        ['pruneDry', () => lab.client.items(requests.prune({ dryRun: true }), () => Promise.resolve())],
        ['agentBackup', () => lab.ask('machine1')],
      ];
      for (const [operation, ask] of asked) {
        if (!only.includes(operation)) continue;
        for (let time = 0; time < WARM_UP; time++) await ask();
        const cost = await measureCost([lab.serverPid], lab.serverPid, ask, REPEATS);
        add(operation, { copies: 1, gib: 1, machines: count }, cost);
      }
    }
  } finally {
    await lab.close();
  }
}
