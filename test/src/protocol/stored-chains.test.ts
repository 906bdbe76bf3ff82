import t from 'tap';
import {
  chainsOf,
  CHAINS_FILE,
  decodeChains,
  encodeChains,
  mergedDisks,
  type StoredChain,
} from '../../../src/protocol/stored-chains.js';

const BASE = { volume: 'vda.0', path: '/images/base.raw', format: 'raw' } as const;
const TOP = { volume: 'vda.1', path: '/images/top.qcow2', format: 'qcow2' } as const;
const CHAIN: StoredChain = { disk: 'vda', files: [BASE, TOP] };

t.test('what is written is read again', (t) => {
  const shared: StoredChain = { disk: 'vdb', files: [BASE, { ...TOP, volume: 'vdb.1', path: '/images/b.qcow2' }] };
  t.same(decodeChains(encodeChains([CHAIN, shared])), [CHAIN, shared]);
  t.end();
});

t.test('what nobody could merge is not taken', (t) => {
  const wrong: Readonly<Record<string, readonly StoredChain[]>> = {
    'no disk': [],
    'no file': [{ disk: 'vda', files: [] }],
    'a loop': [{ disk: 'vda', files: [BASE, TOP, TOP] }],
    'two disks of one name': [CHAIN, CHAIN],
    'two paths of one volume': [{ disk: 'vda', files: [BASE, { ...TOP, volume: 'vda.0' }] }],
    'two volumes of one path': [{ disk: 'vda', files: [BASE, { ...TOP, path: BASE.path }] }],
    'two formats of one file': [CHAIN, { disk: 'vdb', files: [{ ...TOP, format: 'raw' }] }],
    'raw on something': [{ disk: 'vda', files: [BASE, { ...TOP, format: 'raw' }] }],
    'a path that is not absolute': [{ disk: 'vda', files: [{ ...BASE, path: '../base.raw' }] }],
    'a name that is none': [{ disk: 'vda', files: [{ ...BASE, volume: '../x' }] }],
    'over 256 files': [
      { disk: 'vda', files: Array.from({ length: 257 }, (_, n) => ({ ...TOP, volume: `v${n}`, path: `/${n}` })) },
    ],
  };
  for (const [what, chains] of Object.entries(wrong)) t.equal(decodeChains(encodeChains(chains)), undefined, what);
  for (const text of ['', '{', 'null', '{"format":"other","disks":[]}'])
    t.equal(decodeChains(Buffer.from(text)), undefined);
  t.end();
});

function stored(disks: readonly StoredChain[], ...volumes: readonly string[]) {
  const config = [{ name: CHAINS_FILE, data: encodeChains(disks) }];
  return { config, volumes: volumes.map((name) => ({ name })) };
}

t.test('the disks that stored files make up, under names that nothing else has', (t) => {
  const one = stored([CHAIN], 'vda.0', 'vda.1');
  t.same(chainsOf(one), [CHAIN]);
  t.same(mergedDisks(one), [{ ...CHAIN, name: 'vda' }]);
  const own = { disk: 'vda.0', files: [{ ...BASE, volume: 'vda', path: '/a' }] };
  const more = { disk: 'vda-merged', files: [{ ...BASE, volume: 'vda-merged', path: '/b' }] };
  t.same(
    mergedDisks(stored([CHAIN, own, more], 'vda.0', 'vda.1', 'vda', 'vda-merged')).map(({ disk, name }) => [
      disk,
      name,
    ]),
    [
      ['vda', 'vda-merged-2'],
      ['vda.0', 'vda.0-merged'],
      ['vda-merged', 'vda-merged-merged'],
    ],
  );
  t.same(mergedDisks(stored([CHAIN], 'vda.0')), [], 'one of its files is not stored');
  t.same(mergedDisks({ config: [], volumes: [] }), []);
  t.end();
});
