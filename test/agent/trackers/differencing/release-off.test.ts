import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DifferencingTracker } from '../../../../agent/trackers/differencing/differencing-tracker.js';
import { ImagesMachine } from '../../../../agent/trackers/differencing/images-machine.js';
import { newestOf, ownImage } from '../../../../agent/trackers/differencing/newest-overlay.js';
import type { OverlayMachine } from '../../../../agent/trackers/differencing/overlay-machine.js';
import { releaseOff } from '../../../../agent/trackers/differencing/release-off.js';
import { systemClock } from '../../../../src/common/clock.js';
import { imageContent, overlaysIn } from '../../../kit/overlays.js';
import { holdForWriting, qemuImg, qemuIo } from '../../../kit/qemu.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const [C1, C2] = ['umbra-c1-vda.qcow2', 'umbra-c2-vda.qcow2'];

interface Lab {
  readonly directory: string;
  readonly file: (name: string) => string;
  /** @param top - what the disk begins with */
  readonly tracker: (top: string, startsFromNewest?: boolean) => DifferencingTracker;
}

/** A raw image, with two overlays of ours on it that hold the same places anew. */
async function makeLab(t: Test): Promise<Lab> {
  const directory = temporaryDirectory(t);
  const file = (name: string): string => join(directory, name);
  const stateDirectory = file('state');
  mkdirSync(stateDirectory);
  qemuImg('create', '-q', '-f', 'raw', file('vda.raw'), '8M');
  await qemuIo(file('vda.raw'), 'raw', 'write -P 1 0 2M');
  put(file(C1), file('vda.raw'), 'raw');
  await qemuIo(file(C1), 'qcow2', 'write -P 2 1M 1M');
  put(file(C2), file(C1), 'qcow2');
  await qemuIo(file(C2), 'qcow2', 'write -P 3 1M 64k');
  writeFileSync(join(stateDirectory, 'overlays.json'), JSON.stringify({ overlays: [file(C1), file(C2)] }));
  const tracker: Lab['tracker'] = (top, startsFromNewest = true) => {
    const volume = { name: 'vda', path: file(top), format: 'qcow2', backing: [] } as const;
    const machine = new ImagesMachine([volume], () => Promise.resolve([]), { startsFromNewest });
    return new DifferencingTracker({ machine: 'm', stateDirectory, open: () => Promise.resolve(machine) });
  };
  return { directory, file, tracker };
}

function put(path: string, behind: string, format: string): void {
  qemuImg('create', '-q', '-f', 'qcow2', '-b', behind, '-F', format, path);
}

t.test('overlays of a machine that is off are merged, unless somebody uses them', async (t) => {
  const { directory, file, tracker } = await makeLab(t);
  const content = imageContent(file(C2), 'qcow2');
  await t.rejects(tracker(C2, false).forget(), { code: 'TRACKER_UNAVAILABLE', message: /vda begins with .*umbra-c2/ });
  const release = await holdForWriting(t, file(C2), 'qcow2');
  await t.rejects(tracker(C2).forget(), { code: 'IMAGE_IN_USE' }, 'it runs by now');
  await release();
  put(file('theirs.qcow2'), file(C1), 'qcow2');
  const theirs = imageContent(file('theirs.qcow2'), 'qcow2');
  await t.rejects(tracker(C2).forget(), { code: 'TRACKER_FAILED', message: /theirs.qcow2 of somebody else lies on/ });
  t.ok(imageContent(file('theirs.qcow2'), 'qcow2').equals(theirs));
  t.ok(imageContent(file(C2), 'qcow2').equals(content), 'and ours is as it was');
  qemuImg('rebase', '-f', 'qcow2', '-b', '', file('theirs.qcow2'));

  await tracker(C2).forget();
  t.same(overlaysIn(directory), []);
  t.ok(imageContent(file('vda.raw'), 'raw').equals(content));
  t.ok(imageContent(file('theirs.qcow2'), 'qcow2').equals(theirs));
  t.equal(await tracker(C2).isInUse(), false);
});

t.test('whenever letting go breaks off, the disk begins with one file, and reads the same', async (t) => {
  const { file } = await makeLab(t);
  const content = imageContent(file(C2), 'qcow2');
  const seen = { name: 'vda', path: file(C1), format: 'qcow2', backing: [file('vda.raw')] } as const;
  const own = await ownImage(seen);
  const tops: string[] = [];
  for (const breaksAt of [0, 1, 0, 0]) {
    const now = await newestOf(seen, own);
    tops.push(now.path);
    t.ok(imageContent(now.path, now.format).equals(content), now.path);
    const machine = new ImagesMachine([now], () => Promise.resolve([]), { startsFromNewest: true });
    const { startFrom = () => Promise.resolve() } = machine;
    let steps = 0;
    const broken: OverlayMachine = Object.assign(Object.create(machine) as OverlayMachine, {
      startFrom: (...args: Parameters<typeof startFrom>) =>
        steps++ === breaksAt ? Promise.reject(new Error('killed')) : startFrom(...args),
    });
    const [disk] = (await machine.disks()).disks;
    if (disk !== undefined) await releaseOff(broken, disk, systemClock).catch(() => undefined);
  }
  t.same(tops, [file(C2), file(C2), file(C1), file(C1)]);
});

t.test('what a machine that is off begins with', async (t) => {
  const { file } = await makeLab(t);
  const volume = { name: 'vda', path: file(C1), format: 'qcow2', backing: [file('vda.raw')] } as const;
  const own = await ownImage(volume);
  t.same(own, { path: file('vda.raw'), format: 'raw' });
  const top = { path: file(C2), format: 'qcow2', backing: [file(C1), file('vda.raw')] };
  t.match(await newestOf(volume, own), top, 'it was given another one since');
  put(file('umbra-c3-vda.qcow2'), file('vda.raw'), 'raw');
  await t.rejects(newestOf(volume, own), {
    code: 'TRACKER_UNAVAILABLE',
    message: /may start from .*umbra-c2-vda.qcow2 or .*umbra-c3-vda.qcow2|umbra-c3-vda.qcow2 or .*umbra-c2-vda.qcow2/,
  });
  t.match(await newestOf({ ...volume, path: file(C2) }, own), top, 'it was seen with that');
  t.same(await ownImage({ path: file('vda.raw'), format: 'raw', backing: [] }), own);
  // It was let go of while it was off, and nobody has seen it since.
  const gone = { ...volume, path: file('umbra-c9-vda.qcow2') };
  const other = { path: file('other.raw'), format: 'raw' } as const;
  t.match(await newestOf(gone, other), { path: other.path, format: 'raw', backing: [] });
  t.ok(existsSync(file(C2)));
  put(file('umbra-c4-vda.qcow2'), file('vda.raw'), 'raw');
  qemuImg('rebase', '-u', '-f', 'qcow2', '-b', file('vda.raw'), '-F', 'dmg', file('umbra-c4-vda.qcow2'));
  await t.rejects(ownImage({ ...volume, path: file('umbra-c4-vda.qcow2') }), { code: 'IMAGE_FORMAT' });
});
