import t from 'tap';
import { layersSince, nextMerge, refuseDevices, writtenOf } from '../../../../agent/trackers/differencing/chain.js';
import { isOverlay, overlayIn, overlayPath } from '../../../../agent/trackers/differencing/names.js';
import type { ChainDisk } from '../../../../agent/trackers/differencing/overlay-machine.js';

function disk(...layers: string[]): ChainDisk {
  return { volume: 'vda', format: 'qcow2', sizeBytes: 8, layers: layers.map((name) => `/vm/${name}`) };
}

const [one, two, three] = ['umbra-c1-vda.qcow2', 'umbra-c2-vda.qcow2', 'umbra-c3-vda.qcow2'] as const;

t.test('how many layers hold all changes', async (t) => {
  const recorded = { sizeBytes: 8, chains: [['b', 'a'], ['a']] };
  t.equal(layersSince(['b', 'a'], 8, recorded), 0);
  t.equal(layersSince(['c', 'b', 'a'], 8, recorded), 1);
  t.equal(layersSince(['c', 'B', 'a'], 8, recorded), 2, 'the next best chain');
  t.equal(layersSince(['c', 'b', 'A'], 8, recorded), undefined);
  t.equal(layersSince(['b', 'a'], 16, recorded), undefined, 'resized');
  t.equal(layersSince(['b', 'a'], 8, undefined), undefined);
  t.equal(
    layersSince(['b', ''], 8, { sizeBytes: 8, chains: [[''], []] }),
    undefined,
    'nobody knows when it was written',
  );
  t.same(await writtenOf(['/dev/null', '/vm/nothing']), ['', '']);
});

t.test('what can be merged while the guest writes on', (t) => {
  t.equal(nextMerge(disk(one, 'a.raw')), undefined, 'the guest writes to it');
  t.equal(nextMerge(disk(three, two, one, 'a.raw'))?.layer, 2, 'the lowest first');
  t.equal(nextMerge(disk(three, two, one, 'a.raw'), 1)?.layer, 1);
  t.equal(nextMerge(disk(three, two, one, 'a.raw'), 2), undefined);
  t.equal(nextMerge(disk(two, 'theirs.qcow2', one, 'a.raw')), undefined, 'theirs refers to it');
  t.equal(nextMerge(disk(one)), undefined);
  t.end();
});

t.test('names, and where no overlay can lie', (t) => {
  t.equal(overlayPath('/vm/a.raw', 'c1', 'vda'), `/vm/${one}`);
  t.same([`/vm/${one}`, '/vm/umbra.qcow2', '/umbra-c1-vda.qcow2/a.raw', '/vm/umbra-C1-vda.qcow2'].map(isOverlay), [
    true,
    false,
    false,
    false,
  ]);
  t.equal(overlayIn(`json:{"file": {"filename": "/vm/${one}"}}`), one);
  t.equal(overlayIn('/vm/a.raw'), undefined);
  t.throws(
    () => {
      refuseDevices([{ ...disk(), layers: ['/dev/vg/a'] }]);
    },
    { code: 'TRACKER_UNAVAILABLE', message: /is a device/ },
  );
  t.throws(
    () => {
      refuseDevices([{ ...disk(), layers: ['a.raw'] }]);
    },
    { code: 'TRACKER_UNAVAILABLE', message: /no absolute path/ },
  );
  refuseDevices([disk('a.raw')]);
  t.end();
});
