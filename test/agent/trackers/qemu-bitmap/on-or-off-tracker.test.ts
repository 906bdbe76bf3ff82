import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { discoverByQmp } from '../../../../agent/discovery/qmp.js';
import { OnOrOffTracker } from '../../../../agent/trackers/qemu-bitmap/on-or-off-tracker.js';
import type { Checkpoint } from '../../../../agent/trackers/tracker.js';
import { systemClock } from '../../../../src/common/clock.js';
import type { DiscoveredVolume } from '../../../../src/protocol/agents-api.js';
import { applyChanges, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { atRest, makeDisks } from '../../../kit/machine-lab.js';
import { imageContent, kept } from '../../../kit/overlays.js';
import { namesIn, startMachine, writeDisk } from '../../../kit/qemu-machine.js';
import { qemuImg, qemuIo } from '../../../kit/qemu.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const KIB = 1024;

/** What the changes make of `content`; the number of bytes read is checked. */
async function after(t: Test, checkpoint: Checkpoint, content: Buffer, bytes: number): Promise<Buffer> {
  const volume = volumeOf(checkpoint, 'vda');
  t.ok(volume.changesKnown, checkpoint.notes.join('; '));
  const changed = await applyChanges(volume, content);
  t.equal(changed.bytes, bytes);
  t.ok(changed.content.equals(await contentOf(volume)), 'exact');
  return changed.content;
}

t.test('a machine that is on, off, on again, killed, and let go of', async (t) => {
  const directory = temporaryDirectory(t);
  const disks = makeDisks(directory, ['qcow2', 'raw']);
  const first = await startMachine(t, directory, { disks });
  const { qmpSocket } = first;
  const { volumes } = await discoverByQmp({ qmpSocket, fallbackName: 'm', clock: systemClock });
  const places = { stateDirectory: join(directory, 'state'), scratchDirectory: join(directory, 'scratch') };
  for (const path of Object.values(places)) mkdirSync(path);
  const trackerOf = (known: readonly DiscoveredVolume[], records = true): OnOrOffTracker =>
    new OnOrOffTracker({ machine: 'm', qmpSocket, ...places, runtimeDirectory: directory, volumes: known, records });
  const tracker = trackerOf(volumes);
  await writeDisk(first.monitor, 'vda', 'write -P 1 0 1M');
  const full = await tracker.checkpoint(request('c1'));
  let content = await contentOf(volumeOf(full, 'vda'));
  await kept(full);
  await writeDisk(first.monitor, 'vda', 'write -P 2 2M 64k');
  await first.stop();

  const off = await tracker.checkpoint(request('off1', 'c1'));
  t.match(off, { consistency: 'offline', pauseMs: 0, config: [], notes: [/vdb: its format raw/, /is off/] });
  await off.assertUnchanged?.();
  content = await after(t, off, content, 64 * KIB);
  t.notOk(volumeOf(off, 'vdb').changesKnown);
  t.equal((await contentOf(volumeOf(off, 'vdb'))).length, 16 * KIB * KIB);
  await kept(off);
  const view = await trackerOf(volumes, false).checkpoint(request('s1'));
  t.notOk(volumeOf(view, 'vda').changesKnown);
  await view.close();
  // A program of QEMU's that writes to the image records in the bitmap, too.
  await qemuIo(disks[0]?.file ?? '', 'qcow2', 'write -P 3 3M 64k');
  const again = await tracker.checkpoint(request('off2', 'off1'));
  content = await after(t, again, content, 128 * KIB);
  await kept(again);
  await tracker.recover();

  const second = await startMachine(t, directory, { disks });
  await tracker.recover();
  await writeDisk(second.monitor, 'vda', 'write -P 4 4M 64k');
  const on = await tracker.checkpoint(request('c2', 'off2'));
  content = await after(t, on, content, 192 * KIB);
  await kept(on);
  t.same(await namesIn(second.monitor), atRest(disks, 'c2'));
  await second.stop();
  const raw = join(directory, 'content.raw');
  writeFileSync(raw, content);
  t.match(qemuImg('compare', '-f', 'qcow2', '-F', 'raw', disks[0]?.file ?? '', raw), /identical/);
  const third = await startMachine(t, directory, { disks });
  await writeDisk(third.monitor, 'vda', 'write -P 5 5M 64k');
  await writeDisk(third.monitor, 'vda', 'flush');
  await third.kill();

  const killed = await tracker.checkpoint(request('off3', 'c2'));
  t.notOk(volumeOf(killed, 'vda').changesKnown);
  t.match(killed.notes, [/vda: its bitmap is inconsistent/, /vdb/, /is off/]);
  t.ok((await contentOf(volumeOf(killed, 'vda'))).equals(imageContent(disks[0]?.file ?? '', 'qcow2')));
  await kept(killed);
  const none = tracker.checkpoint({ ...request('off4', 'off3'), volumes: ['vdz'] });
  await t.rejects(none, { code: 'TRACKER_UNAVAILABLE', message: /no volume vdz/ });
  await t.rejects(trackerOf([]).checkpoint(request('off4')), { code: 'TRACKER_UNAVAILABLE' });
  const cancelled = { ...request('off4'), signal: AbortSignal.abort() };
  await t.rejects(tracker.checkpoint(cancelled), { code: 'CANCELLED' });
  await tracker.forget();
  t.notMatch(qemuImg('info', disks[0]?.file ?? ''), /bitmaps/);
  const afresh = await tracker.checkpoint({ ...request('off5', 'off3'), volumes: ['vda'] });
  t.match(afresh.notes, [/vda: its bitmap of the last checkpoint is not there/, /is off/]);
  await afresh.close();

  const last = await startMachine(t, directory, { disks });
  await kept(await tracker.checkpoint(request('c3', 'off3')));
  await tracker.forget();
  t.same(await namesIn(last.monitor), atRest(disks));
  await last.monitor.execute('stop');
  const busy = trackerOf(volumes.map((volume) => ({ ...volume, path: join(directory, 'gone') })));
  await last.stop();
  await t.rejects(busy.checkpoint(request('off6', 'c3')), { code: 'IMAGE_NOT_FOUND' });
});
