import t from 'tap';
import { FilesLab } from '../../kit/files-lab.js';
import { directory, inlineFile, MemoryFilesystem } from '../../kit/filesystems/memory-filesystem.js';

const MIB = 1024 * 1024;

function labelled(label: string): MemoryFilesystem {
  const files = { 1: directory({ x: 2, d: 3 }), 2: inlineFile(label), 3: directory({ x: 2 }) };
  return Object.assign(new MemoryFilesystem(files), { label, uuid: `uuid-${label}` });
}

function volume(number: number, fill = 0): Buffer {
  const bytes = Buffer.alloc(4 * MIB, fill);
  bytes[0] = number;
  return bytes;
}

t.test('a pattern that begins with a label or a UUID', async (t) => {
  const filesystems = new Map([
    [1, labelled('my root')],
    [2, labelled('data')],
  ]);
  const lab = await FilesLab.open(t, { filesystems });
  await lab.memory.backUp({ vda: volume(1), vdb: volume(2) }, { machine: 'm1' });
  await lab.memory.backUp({ vda: volume(1), vdb: volume(2, 1) }, { machine: 'm1' });
  for (const version of ['latest', undefined]) {
    const find = async (glob: string, ignoreCase = false): Promise<string[]> => {
      const options = { ignoreCase, ...(version === undefined ? {} : { version }) };
      return (await lab.find(glob, options))[1].map(({ path }) => path).sort();
    };
    t.same(await find('/by-label/my root/x'), ['/vda/x']);
    t.same(await find('/by-label/my root'), ['/vda']);
    t.same(await find('/by-label/DATA/**/x', true), ['/vdb/d/x', '/vdb/x']);
    t.same(await find('/by-uuid/{uuid-data,other}/d/x'), ['/vdb/d/x']);
    t.same(await find('/by-label/*/x'), ['/vda/x', '/vdb/x']);
    t.same(await find('/by-label/**/x'), ['/vda/d/x', '/vda/x', '/vdb/d/x', '/vdb/x']);
    t.same(await find('/by-label/vda/x'), []);
    t.same(await find('by-label/my root/x'), [], 'it is not at the top');
  }
});
