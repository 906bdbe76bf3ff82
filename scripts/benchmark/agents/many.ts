import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { log } from '../log.js';
import { median } from '../statistics.js';
import { writeRandom } from './content.js';
import { Figures } from './figures.js';
import { AgentsLab } from './lab.js';
import { peakBytes, processSeconds } from './process-time.js';
import type { Suite } from './suite.js';

const SIZES = {
  full: { agents: 50, mib: 32 },
  small: { agents: 8, mib: 8 },
};
const STARTED_AT_ONCE = 5;

/** Many agents at once, each a process and a host of its own, with one machine each. */
export const many: Suite = {
  async run({ directory, scale }) {
    const { agents, mib } = SIZES[scale];
    const figures = new Figures(`${agents} agents at once`);
    const hosts = Array.from({ length: agents }, (_, index) => `host${index + 1}`);
    for (const host of hosts) {
      mkdirSync(path.join(directory, host));
      writeRandom(path.join(directory, host, `${host}.raw`), mib * 1024 ** 2);
    }
    const lab = await AgentsLab.start(path.join(directory, 'umbra'));
    try {
      log(`many: starting ${agents} agents`);
      for (let next = 0; next < hosts.length; next += STARTED_AT_ONCE) {
        await Promise.all(hosts.slice(next, next + STARTED_AT_ONCE).map((host) => begin(lab, directory, host)));
      }
      for (const wave of ['new', 'unchanged']) {
        log(`many: ${wave}`);
        await together(lab, hosts, mib, wave, figures);
      }
    } finally {
      await lab.close();
    }
    figures.note(`Each agent is a process of its own, with one raw image of ${mib} MiB of random bytes; one store.`);
    return [figures];
  },
};

async function begin(lab: AgentsLab, directory: string, host: string): Promise<void> {
  await lab.addAgent(host, ['libvirt: off', `directories: [${path.join(directory, host)}]`]);
  await lab.protect(host, host, host, 'scan');
}

async function together(
  lab: AgentsLab,
  hosts: readonly string[],
  mib: number,
  wave: string,
  figures: Figures,
): Promise<void> {
  const start = performance.now();
  const before = processSeconds(lab.serverPid);
  const seconds = await Promise.all(
    hosts.map(async (host) => {
      await lab.ask(host);
      return (performance.now() - start) / 1000;
    }),
  );
  const all = Math.max(...seconds);
  figures.add('all of them, s', wave, all);
  // An image that is as it was is not read again.
  if (wave === 'new') figures.add('together, MB/s', wave, (hosts.length * mib * 1024 ** 2) / 1e6 / all);
  figures.add('the first is done after, s', wave, Math.min(...seconds));
  figures.add('half of them are done after, s', wave, median(seconds) ?? 0);
  figures.add('of the processors for the server, s', wave, processSeconds(lab.serverPid) - before);
  figures.add("server's peak of anonymous memory, MB", wave, lab.peakAnonymousBytes / 1e6);
  figures.add("server's peak of resident memory, MB", wave, peakBytes(lab.serverPid) / 1e6);
}
