import t from 'tap';
import { definitionStarts } from '../../../../agent/trackers/differencing/definition-starts.js';
import type { ChainDisk } from '../../../../agent/trackers/differencing/overlay-machine.js';

const OURS = ['/i/umbra-c1-vda.qcow2', '/i/umbra-c2-vda.qcow2'];

function disk(...layers: readonly string[]): ChainDisk {
  return { volume: 'vda', format: 'qcow2', sizeBytes: 1, layers };
}

t.test('what a definition is to be changed in', (t) => {
  const starts = (path: string, ...layers: readonly string[]): unknown =>
    definitionStarts([{ name: 'vda', path }], [disk(...layers)], OURS).map(({ disk: { layers: of }, image }) => [
      ...of,
      image.path,
      image.format,
    ]);
  const [first = '', second = ''] = OURS;
  t.same(starts(first, first, '/i/vda.raw'), [], 'nothing, if it is as it runs');
  t.same(starts('/i/vda.raw', first, '/i/vda.raw'), [['/i/vda.raw', first, 'qcow2']], 'an overlay that was not noted');
  t.same(starts(first, '/i/vda.raw'), [[first, '/i/vda.raw', 'qcow2']], 'one that is merged');
  t.same(starts('/i/vda.raw', second, first, '/i/vda.raw'), [], 'somebody wants to go back further');
  t.same(starts('/i/vda.raw', '/i/theirs.qcow2', '/i/vda.raw'), [], 'an overlay of somebody else');
  t.same(starts('/i/other.raw', first, '/i/vda.raw'), [], 'another image');
  t.same(definitionStarts([], [disk(first, '/i/vda.raw')], OURS), [], 'no such disk');
  t.end();
});
