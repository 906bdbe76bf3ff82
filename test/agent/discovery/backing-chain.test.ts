import { join } from 'node:path';
import t from 'tap';
import { allBehind, backingChain } from '../../../agent/discovery/backing-chain.js';
import { qemuImg } from '../../kit/qemu.js';
import { temporaryDirectory } from '../../kit/temporary.js';

t.test('what is behind an image, as its definition says, and from where that ends as headers do', async (t) => {
  const directory = temporaryDirectory(t);
  const [base, middle, top] = ['base.raw', 'middle.qcow2', 'top.qcow2'].map((name) => join(directory, name));
  if (base === undefined || middle === undefined || top === undefined) throw new TypeError('three paths');
  qemuImg('create', '-q', '-f', 'raw', base, '1M');
  qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', middle);
  qemuImg('create', '-q', '-f', 'qcow2', '-b', middle, '-F', 'qcow2', top);
  t.same(await backingChain(top, 'qcow2'), [middle, base]);
  t.same(await backingChain(top, 'raw'), [], 'what is raw has no header');
  t.same(await allBehind({ backing: [], last: { path: top, format: 'qcow2' } }), [middle, base]);
  t.same(await allBehind({ backing: [middle], last: { path: middle, format: 'qcow2' } }), [middle, base]);
  t.same(await allBehind({ backing: [middle] }), [middle], 'the definition says that this is all');
});
