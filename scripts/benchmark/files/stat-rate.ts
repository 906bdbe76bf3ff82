import { open } from 'node:fs/promises';
import { findDevices } from '../../../mount/files/find-devices.js';
import { FilesService } from '../../../mount/files/files-service.js';
import type { ShadowCopySource, ShadowCopyView, VolumeReader } from '../../../mount/source.js';
import { VirtualTree } from '../../../mount/tree.js';
import { systemClock } from '../../../src/common/clock.js';
import { silentLog } from '../../../src/common/log.js';

/** What the program prints. */
export interface StatRate {
  readonly files: number;
  readonly seconds: number;
  /** Processor time of all threads: what other programs do meanwhile does not count. */
  readonly cpuSeconds: number;
}

const MACHINE = 'vm';
const VERSION = '2026-01-01T00-00-00Z';

/** Stats everything below `directory` of the file system in the image, listed first, through a tree that has seen nothing. */
export async function statRate(image: string, directory: string): Promise<StatRate> {
  const volume = await openImage(image);
  const source = sourceOf(volume);
  const files = new FilesService({ source, find: findDevices, clock: systemClock, log: silentLog });
  const tree = new VirtualTree({ source, files, uid: 0, gid: 0, nowMs: 0 });
  try {
    const start = performance.now();
    const cpuStart = process.cpuUsage();
    const count = await walk(tree, `/${MACHINE}/${VERSION}/files/vda/${directory}`);
    const { user, system } = process.cpuUsage(cpuStart);
    return { files: count, seconds: (performance.now() - start) / 1e3, cpuSeconds: (user + system) / 1e6 };
  } finally {
    files.close();
    await volume.close();
  }
}

async function walk(tree: VirtualTree, top: string): Promise<number> {
  const directories = [top];
  let count = 0;
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    for (const { name } of await tree.list(directory)) {
      const path = `${directory}/${name}`;
      const { kind } = await tree.stat(path);
      count += 1;
      if (kind === 'directory') directories.push(path);
    }
  }
  return count;
}

async function openImage(image: string): Promise<VolumeReader> {
  const handle = await open(image);
  return {
    sizeBytes: (await handle.stat()).size,
    read: async (target, offset) => (await handle.read(target, 0, target.length, offset)).bytesRead,
    close: () => handle.close(),
  };
}

/** One shadow copy with one volume. */
function sourceOf(volume: VolumeReader): ShadowCopySource {
  const reader: VolumeReader = { ...volume, close: () => Promise.resolve() };
  const view: ShadowCopyView = {
    timeMs: 0,
    about: {},
    config: [],
    volumes: [{ name: 'vda', sizeBytes: volume.sizeBytes, dataBytes: volume.sizeBytes }],
    openVolume: () => Promise.resolve(reader),
    lookInto: () => Promise.resolve(reader),
    keep: () => Promise.resolve(() => undefined),
  };
  const list = [{ name: VERSION, timeMs: 0 }];
  return {
    machines: () => Promise.resolve([MACHINE]),
    shadowCopies: () => Promise.resolve(list),
    open: () => Promise.resolve(view),
  };
}

const [program, image, directory] = process.argv.slice(1);
if (program === import.meta.filename && image !== undefined && directory !== undefined) {
  process.stdout.write(JSON.stringify(await statRate(image, directory)) + '\n');
}
