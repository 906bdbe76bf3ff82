import { join } from 'node:path';
import t from 'tap';
import { Covering } from '../../../../agent/trackers/differencing/covering.js';
import { mergeLayers } from '../../../../agent/trackers/differencing/merging.js';
import type { ChainDisk, Merge } from '../../../../agent/trackers/differencing/overlay-machine.js';
import { OverlayNotes } from '../../../../agent/trackers/differencing/overlay-state.js';
import { QmpMachine } from '../../../../agent/trackers/differencing/qmp-machine.js';
import { UmbraError } from '../../../../src/common/errors.js';
import { systemClock } from '../../../../src/common/clock.js';
import { request } from '../../../kit/checkpoints.js';
import { makeDisks } from '../../../kit/machine-lab.js';
import { chainsOf, kept, overlaysIn, overlayTracker } from '../../../kit/overlays.js';
import { startMachine } from '../../../kit/qemu-machine.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

/** Does what it is told to merge, and is not heard any more. */
async function openDeaf(qmpSocket: string): Promise<QmpMachine> {
  const machine = await QmpMachine.open({ qmpSocket, clock: systemClock });
  const merge: QmpMachine['merge'] = async (...args) => {
    await QmpMachine.prototype.merge.apply(machine, args);
    throw new UmbraError('TRACKER_FAILED', 'the connection is lost');
  };
  return Object.assign(machine, { merge });
}

t.test('QEMU has merged what the guest wrote to, and nobody heard of it: the overlay is taken away', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory, ['raw']);
  const { monitor, qmpSocket } = await startMachine(t, directory, { disks, writes: true });
  await kept(await overlayTracker(directory, qmpSocket).checkpoint(request('c1')));
  const deaf = overlayTracker(directory, qmpSocket, { open: () => openDeaf(qmpSocket) });
  await t.rejects(deaf.forget(), { message: /the connection is lost/ });
  t.same(await chainsOf(monitor), [['vda.raw']]);
  t.same(overlaysIn(directory), ['umbra-c1-vda.qcow2']);
  const tracker = overlayTracker(directory, qmpSocket);
  const next = await tracker.checkpoint(request('c2'));
  t.notMatch(next.notes, [/is no part of the machine any more/]);
  await kept(next);
  t.same(overlaysIn(directory), ['umbra-c2-vda.qcow2']);

  await t.rejects(deaf.forget(), { message: /the connection is lost/ });
  await tracker.forget();
  t.same(overlaysIn(directory), []);
  t.notOk(await tracker.isInUse());
});

t.test('a merge that did not come about: what is noted of it is no reason to take the overlay away', async (t) => {
  const directory = temporaryDirectory(t);
  const { qmpSocket } = await startMachine(t, directory, { disks: makeDisks(directory, ['raw']) });
  await kept(await overlayTracker(directory, qmpSocket).checkpoint(request('c1')));
  const merge = (): Promise<void> => Promise.reject(new UmbraError('TRACKER_FAILED', 'no room'));
  const open = async (): Promise<QmpMachine> =>
    Object.assign(await QmpMachine.open({ qmpSocket, clock: systemClock }), { merge });
  await t.rejects(overlayTracker(directory, qmpSocket, { open }).forget(), { message: 'no room' });
  const { merging } = await new OverlayNotes(join(directory, 'state', 'overlays.json')).read();
  t.match(merging, { path: join(directory, 'umbra-c1-vda.qcow2'), onto: join(directory, 'vda.raw') });
  t.equal(merging?.run, undefined);
});

t.test('QEMU was started anew meanwhile: somebody may have had it start without what the overlay holds', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory, ['raw']);
  const first = await startMachine(t, directory, { disks });
  await kept(await overlayTracker(directory, first.qmpSocket).checkpoint(request('c1')));
  const deaf = overlayTracker(directory, first.qmpSocket, { open: () => openDeaf(first.qmpSocket) });
  await t.rejects(deaf.forget(), { message: /the connection is lost/ });
  await first.stop();
  const second = await startMachine(t, directory, { disks });
  const tracker = overlayTracker(directory, second.qmpSocket);
  await tracker.forget();
  t.same(overlaysIn(directory), ['umbra-c1-vda.qcow2']);
});

t.test('QEMU ends just before a merge is noted: it is not noted of the one that is started then', async (t) => {
  const directory = temporaryDirectory(t);
  const { qmpSocket } = await startMachine(t, directory, { disks: makeDisks(directory, ['raw']) });
  await kept(await overlayTracker(directory, qmpSocket).checkpoint(request('c1')));
  const open = async (): Promise<QmpMachine> => {
    const machine = await QmpMachine.open({ qmpSocket, clock: systemClock });
    const gone = (): Promise<never> => Promise.reject(new UmbraError('TRACKER_FAILED', 'QEMU is gone'));
    let run = 'the one that merges';
    const disks: QmpMachine['disks'] = async () => {
      const found = await QmpMachine.prototype.disks.call(machine);
      run = 'the next one';
      return found;
    };
    const merge: QmpMachine['merge'] = () => gone().finally(() => Object.assign(machine, { disks: gone }));
    return Object.assign(machine, { run: () => Promise.resolve(run), disks, merge });
  };
  const covering = new Covering({ machine: 'm', stateDirectory: join(directory, 'state'), open });
  await covering.withMachine(async (machine) => {
    const tools = { notes: covering.notes, whileStill: (action: () => Promise<void>) => action() };
    const next = (disk: ChainDisk): Merge => ({ disk, layer: 0 });
    await t.rejects(mergeLayers(machine, tools, next), { message: 'QEMU is gone' });
  }, true);
  t.equal((await covering.notes.read()).merging?.run, 'the one that merges');
});
