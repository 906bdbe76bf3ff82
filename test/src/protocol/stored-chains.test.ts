import t from 'tap';
import { decodeChains, encodeChains, type StoredChain } from '../../../src/protocol/stored-chains.js';

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
