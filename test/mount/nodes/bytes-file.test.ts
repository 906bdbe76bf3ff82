import t from 'tap';
import { Listing } from '../../../mount/listing.js';
import { BytesFile } from '../../../mount/nodes/bytes-file.js';
import { GuestShortcut } from '../../../mount/nodes/guest-shortcut.js';
import { ListedNames } from '../../../mount/files/listed-names.js';
import { InodeTable } from '../../../mount/inodes.js';
import { ViewCache } from '../../../mount/views.js';
import { FakeSource } from '../../kit/fake-source.js';
import { SnapshotNames } from '../../../mount/nodes/snapshot-names.js';
import { filesOf, OWNER } from '../../kit/tree.js';

t.test('reads at any offset', async (t) => {
  const source = new FakeSource();
  const context = {
    listing: new Listing(source, undefined, () => undefined),
    views: new ViewCache(source),
    inodes: new InodeTable(),
    files: filesOf(source),
    names: new ListedNames(),
    guests: new WeakMap(),
    shortcut: new GuestShortcut(),
    versions: new WeakMap(),
    merged: new WeakMap(),
    snapshots: new SnapshotNames(),
    ...OWNER,
    madeAtMs: 0,
  };
  const data = Buffer.from('0123456789');
  const node = new BytesFile({ context, ino: 9, permissions: 0o444, mtimeMs: 7, load: () => Promise.resolve(data) });
  t.strictSame(await node.stat(), {
    kind: 'file',
    ino: 9,
    permissions: 0o444,
    nlink: 1,
    ...OWNER,
    sizeBytes: 10,
    blocks: 1,
    mtimeMs: 7,
  });
  const file = await node.open();
  const target = Buffer.alloc(4);
  t.equal(await file.read(target, 3), 4);
  t.equal(target.toString(), '3456');
  t.equal(await file.read(target, 8), 2);
  t.equal(target.toString(), '8956');
  t.equal(await file.read(target, 10), 0);
  t.equal(await file.read(target, 1000), 0);
  await file.close();
});
