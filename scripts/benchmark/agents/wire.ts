import { linkSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { log } from '../log.js';
import { bareLevel } from './bare-level.js';
import { bareWire } from './bare-wire.js';
import { writeRandom } from './content.js';
import { Figures } from './figures.js';
import { AgentsLab } from './lab.js';
import { rawTlsRate } from './raw-tls.js';
import type { Suite } from './suite.js';

const BYTES = { full: 1024 ** 3, small: 128 * 1024 ** 2 };

/** How much goes through from an agent to the server, of an image that does not compress. */
export const wire: Suite = {
  async run({ directory, scale, rounds, signal }) {
    const bytes = BYTES[scale];
    const figures = new Figures('MB/s');
    for (let round = 0; round < rounds && !signal.aborted; round++) {
      log(`wire: round ${round + 1} of ${rounds}`);
      const place = path.join(directory, String(round));
      const images = imagesIn(place, bytes);
      const bare = await bareLevel(path.join(place, 'level'), bytes);
      add(figures, 'LevelDB alone', bytes, bare.seconds, bare.processSeconds);
      // Alternately first, so that neither always finds the disk as the other left it.
      const turns = [() => local(place, images.one, bytes, figures), () => agents(place, images, bytes, figures)];
      for (const turn of round % 2 === 1 ? turns.reverse() : turns) await turn();
      rmSync(place, { recursive: true });
    }
    figures.note(
      `One raw image of ${bytes / 1024 ** 2} MiB of random bytes, in the page cache; a new store each time.`,
    );
    return [figures];
  },
};

interface Images {
  readonly one: string;
  /** Directories of one image each, with the same content. */
  readonly first: string;
  readonly again: string;
  readonly others: string;
}

function imagesIn(place: string, bytes: number): Images {
  const [first, again, others] = ['first', 'again', 'others'].map((name) => path.join(place, name)) as [
    string,
    string,
    string,
  ];
  for (const directory of [first, again, others]) mkdirSync(directory, { recursive: true });
  const one = path.join(first, 'first.raw');
  writeRandom(one, bytes);
  linkSync(one, path.join(again, 'again.raw'));
  linkSync(one, path.join(others, 'others.raw'));
  return { one, first, again, others };
}

async function local(place: string, image: string, bytes: number, figures: Figures): Promise<void> {
  const lab = await AgentsLab.start(path.join(place, 'local'));
  try {
    const { seconds, processSeconds } = await lab.backupImage('local', image);
    add(figures, 'without an agent, new', bytes, seconds, processSeconds);
  } finally {
    await lab.close();
  }
}

async function agents(place: string, images: Images, bytes: number, figures: Figures): Promise<void> {
  const lab = await AgentsLab.start(path.join(place, 'agents'));
  try {
    const pem = path.join(lab.store, 'tls', 'ca.pem');
    figures.add('MB/s', 'raw TLS', (await rawTlsRate(pem, bytes)) / 1e6);
    const bare = await bareWire(pem, path.join(place, 'wire'), bytes);
    add(figures, 'TLS into LevelDB, nothing else', bytes, bare.seconds, bare.processSeconds);
    await lab.addAgent('one', ['libvirt: off', `directories: [${images.first}, ${images.again}]`]);
    await lab.addAgent('two', ['libvirt: off', `directories: [${images.others}]`]);
    for (const [host, machine, what] of [
      ['one', 'first', 'agent, new'],
      ['two', 'others', 'agent, stored by another'],
      ['one', 'again', 'agent, sent before'],
    ] as const) {
      await lab.protect(host, machine, machine, 'scan');
      const { seconds, processSeconds } = await lab.backup(machine);
      add(figures, what, bytes, seconds, processSeconds);
    }
  } finally {
    await lab.close();
  }
}

function add(figures: Figures, what: string, bytes: number, seconds: number, processSeconds: number): void {
  figures.add('MB/s', what, bytes / 1e6 / seconds);
  figures.add('MB for each second of the processors', what, bytes / 1e6 / processSeconds);
}
