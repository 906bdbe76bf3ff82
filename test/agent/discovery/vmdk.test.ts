import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readVmdk, vmdkParents } from '../../../agent/discovery/vmdk.js';
import { qemuImg } from '../../kit/qemu.js';
import { temporaryDirectory } from '../../kit/temporary.js';

const MIB = 1024 * 1024;

void t.test('VMDKs that QEMU makes', async (t) => {
  const directory = temporaryDirectory(t);
  for (const subformat of ['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'streamOptimized']) {
    const path = join(directory, `${subformat}.vmdk`);
    qemuImg('create', '-q', '-f', 'vmdk', '-o', `subformat=${subformat}`, path, '3M');
    t.strictSame(await readVmdk(path), { sizeBytes: 3 * MIB, parent: undefined, createType: subformat });
  }
  const [base, middle, top] = ['base', 'middle', 'top'].map((name) => join(directory, `${name}.vmdk`));
  if (base === undefined || middle === undefined || top === undefined) throw new Error('three names');
  qemuImg('create', '-q', '-f', 'vmdk', base, '3M');
  qemuImg('create', '-q', '-f', 'vmdk', '-b', 'base.vmdk', '-F', 'vmdk', middle);
  qemuImg('create', '-q', '-f', 'vmdk', '-b', 'middle.vmdk', '-F', 'vmdk', top);
  t.strictSame(await vmdkParents(top, await readVmdk(top)), [middle, base]);
});

/** A snapshot's delta disk as VMware writes it. */
const DELTA = `# Disk DescriptorFile
version=1
encoding="windows-1252"
CID=4dfa1c22
parentCID=fffffffe
isNativeSnapshot="no"
createType="vmfsSparse"
parentFileNameHint="PARENT"
# Extent description
RW 4096 VMFSSPARSE "guest-000001-delta.vmdk"
RW 2048 FLAT "caf\xe9.vmdk" 0

# The Disk Data Base
#DDB
`;

void t.test('descriptors that are odd', async (t) => {
  const directory = temporaryDirectory(t);
  const write = (name: string, parent: string, from = DELTA): string => {
    const path = join(directory, name);
    writeFileSync(path, from.replace('PARENT', parent), 'latin1');
    return path;
  };
  const delta = write('a.vmdk', '../b.vmdk');
  t.match(await readVmdk(delta), { sizeBytes: 6144 * 512, parent: join(directory, '../b.vmdk') });
  t.match(await readVmdk(write('c.vmdk', '/else/d.vmdk')), { parent: '/else/d.vmdk' });

  const fails = async (path: string, message: RegExp): Promise<void> => {
    const read = readVmdk(path).then((vmdk) => vmdkParents(path, vmdk));
    await t.rejects(read, { code: 'CONFIG_UNREADABLE', message });
  };
  await fails(write('self.vmdk', 'self.vmdk'), /self\.vmdk is its own parent/);
  write('one.vmdk', 'two.vmdk');
  await fails(write('two.vmdk', 'one.vmdk'), /is its own parent/);
  for (let layer = 0; layer < 260; layer++) write(`layer${layer}.vmdk`, `layer${layer + 1}.vmdk`);
  await fails(join(directory, 'layer0.vmdk'), /over 256 parents/);
  await fails(write('orphan.vmdk', 'nowhere.vmdk'), /nowhere\.vmdk cannot be read/);
  await fails(write('nameless.vmdk', '', DELTA.replace(/parentFileNameHint.*\n/, '')), /does not name its parent/);
  await fails(write('large.vmdk', '', DELTA.replace('4096', '999999999999999')), /impossibly large/);
  await fails(write('other.vmdk', '', 'MZ'), /is no VMDK/);
  await fails(directory, /is no file/);

  const sparse = join(directory, 'sparse.vmdk');
  for (const [offset, length] of [
    [0n, 20n],
    [1n << 60n, 20n],
    [1n, 1n << 40n],
  ] as const) {
    const header = Buffer.alloc(512);
    header.write('KDMV');
    header.writeBigUInt64LE(offset, 28);
    header.writeBigUInt64LE(length, 36);
    writeFileSync(sparse, header);
    await fails(sparse, /no descriptor where it should be/);
  }
  truncateSync(sparse, 100);
  await fails(sparse, /is no VMDK/);
});
