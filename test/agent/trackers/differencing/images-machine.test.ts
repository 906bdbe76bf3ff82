import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DifferencingTracker } from '../../../../agent/trackers/differencing/differencing-tracker.js';
import { ImagesMachine } from '../../../../agent/trackers/differencing/images-machine.js';
import type { ImageFormat } from '../../../../src/protocol/api.js';
import { applyChanges, contentOf, request, volumeOf } from '../../../kit/checkpoints.js';
import { imageContent, kept } from '../../../kit/overlays.js';
import { qemuImg, qemuIo } from '../../../kit/qemu.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const KIB = 1024;

t.test('overlays that the administrator puts on images say what has changed', async (t) => {
  const directory = temporaryDirectory(t);
  const state = join(directory, 'state');
  mkdirSync(state);
  const [base, top] = ['base.raw', 'top.qcow2'].map((name) => join(directory, name)) as [string, string];
  const trackerOf = (path: string, format: ImageFormat): DifferencingTracker => {
    const machine = new ImagesMachine([{ name: 'vda', path, format, backing: [] }], () => Promise.resolve([]));
    return new DifferencingTracker({ machine: 'm', stateDirectory: state, open: () => Promise.resolve(machine) });
  };
  qemuImg('create', '-q', '-f', 'raw', base, '8M');
  await qemuIo(base, 'raw', 'write -P 1 0 1M');
  const first = await trackerOf(base, 'raw').checkpoint(request('c1'));
  t.match(first, { consistency: 'offline', notes: [], volumes: [{ changesKnown: false }] });
  const content = await contentOf(volumeOf(first, 'vda'));
  await kept(first);
  const same = await trackerOf(base, 'raw').checkpoint(request('c2', 'c1'));
  t.equal((await applyChanges(volumeOf(same, 'vda'), content)).bytes, 0);
  await kept(same);

  qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', top);
  await qemuIo(top, 'qcow2', 'write -P 2 2M 100k', 'write -z 0 64k');
  const second = await trackerOf(top, 'qcow2').checkpoint(request('c3', 'c2'));
  const changed = await applyChanges(volumeOf(second, 'vda'), content);
  t.equal(changed.bytes, 3 * 64 * KIB);
  t.ok(changed.content.equals(imageContent(top, 'qcow2')));
  await kept(second);

  // It is the top itself that was written to: what it held before is not told from what is new.
  await qemuIo(top, 'qcow2', 'write -P 3 3M 64k');
  const third = await trackerOf(top, 'qcow2').checkpoint(request('c4', 'c3'));
  t.equal((await applyChanges(volumeOf(third, 'vda'), changed.content)).bytes, 4 * 64 * KIB, 'as before, and more');
  t.ok((await contentOf(volumeOf(third, 'vda'))).equals(imageContent(top, 'qcow2')));
  await kept(third);

  await qemuIo(base, 'raw', 'write -P 4 4M 64k');
  const astray = await trackerOf(top, 'qcow2').checkpoint(request('c5', 'c4'));
  t.match(astray, { notes: [/vda: its images are not those/], volumes: [{ changesKnown: false }] });
  await astray.close();
  const none = trackerOf(base, 'raw').checkpoint({ ...request('c6'), volumes: ['vdz'] });
  await t.rejects(none, { code: 'TRACKER_UNAVAILABLE', message: /no volume vdz/ });
  await trackerOf(top, 'qcow2').forget();
});
