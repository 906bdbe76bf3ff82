import t from 'tap';
import { ContentAhead } from '../../../mount/files/content-ahead.js';
import type { FileId, FileReader } from '../../../mount/filesystems/filesystem.js';
import { FakeFilesystem } from '../../kit/filesystems/fake-filesystem.js';

const KIB = 1024;

/** Counts reads; each waits for `gate` if it is set. */
class CountedFilesystem extends FakeFilesystem {
  reads = 0;
  gate: Promise<void> | undefined;
  failing = false;

  override async open(id: FileId): Promise<FileReader> {
    const reader = await super.open(id);
    return {
      sizeBytes: reader.sizeBytes,
      read: (target, offset) => {
        this.reads++;
        if (this.failing) return Promise.reject(new RangeError('a defect'));
        const { gate } = this;
        return gate === undefined ? reader.read(target, offset) : gate.then(() => reader.read(target, offset));
      },
    };
  }
}

function setUp() {
  const filesystem = new CountedFilesystem();
  const content = Buffer.from('0123456789');
  const id = filesystem.add('f', {}, { content });
  return { filesystem, content, id, ahead: new ContentAhead(filesystem) };
}

async function read(file: FileReader, offset: number, length: number): Promise<string> {
  const target = Buffer.alloc(length, '.');
  return target.subarray(0, await file.read(target, offset)).toString();
}

t.test('a file that was read ahead is not read again', async (t) => {
  const { filesystem, id, ahead } = setUp();
  await ahead.prepare(id, 10);
  await ahead.prepare(id, 10);
  t.equal(filesystem.calls.open, 1);
  const file = await ahead.open(id);
  t.equal(file.sizeBytes, 10);
  t.equal(await read(file, 0, 4096), '0123456789');
  t.equal(await read(file, 3, 4), '3456');
  t.equal(await read(file, 8, 4), '89');
  t.equal(await read(file, 10, 4), '');
  t.equal(await read(file, 5000, 4), '');
  t.equal(filesystem.calls.open, 1);
  t.equal(filesystem.reads, 1);
});

t.test('who comes too early waits for it', async (t) => {
  const { filesystem, id, ahead } = setUp();
  let open = (): void => undefined;
  filesystem.gate = new Promise((resolve) => {
    open = resolve;
  });
  const prepared = ahead.prepare(id, 10);
  const file = await ahead.open(id);
  const reading = read(file, 2, 4);
  open();
  t.equal(await reading, '2345');
  await prepared;
  t.equal(filesystem.calls.open, 1, 'not even for who came while it was opened');
  t.equal(filesystem.reads, 1);
});

t.test('what was not prepared is opened as it is', async (t) => {
  const { filesystem, id, ahead } = setUp();
  t.equal(await read(await ahead.open(id), 0, 10), '0123456789');
  t.equal(filesystem.calls.open, 1);
  await t.rejects(async () => ahead.open(99), { code: 'FILESYSTEM_DAMAGED' });
});

t.test('large files are not read ahead', async (t) => {
  const { filesystem, ahead } = setUp();
  const large = filesystem.add('large', {}, { content: Buffer.alloc(64 * KIB + 1) });
  await ahead.prepare(large, 64 * KIB + 1);
  t.equal(filesystem.calls.open, 0);
  await ahead.prepare(large, 10);
  t.equal(filesystem.reads, 0, 'nor those that are larger than they look');
});

t.test('an error comes when the file is read, and goes when it is healed', async (t) => {
  const { filesystem, id, ahead } = setUp();
  filesystem.failing = true;
  await ahead.prepare(id, 10);
  const file = await ahead.open(id);
  await t.rejects(async () => await file.read(Buffer.alloc(10), 0), { message: 'a defect' });
  filesystem.failing = false;
  t.equal(await read(file, 0, 10), '0123456789');
});

t.test('a file that cannot be opened is tried anew when it is asked for', async (t) => {
  const { filesystem, ahead } = setUp();
  await t.rejects(async () => ahead.prepare(99, 10), { code: 'FILESYSTEM_DAMAGED' });
  await t.rejects(async () => ahead.open(99), { code: 'FILESYSTEM_DAMAGED' });
  t.equal(filesystem.calls.open, 2);
});

t.test('two contents are kept, and an open file whose content is gone is read as it is', async (t) => {
  const { filesystem, ahead } = setUp();
  const ids = ['a', 'b', 'c'].map((name) => filesystem.add(name, {}, { content: Buffer.from(`content of ${name}`) }));
  const [a = 0, b = 0, c = 0] = ids;
  await ahead.prepare(a, 12);
  const file = await ahead.open(a);
  await ahead.prepare(b, 12);
  t.equal(await read(file, 0, 20), 'content of a');
  t.equal(filesystem.reads, 2);
  await ahead.prepare(c, 12);
  t.equal(filesystem.reads, 3);
  t.equal(await read(file, 0, 20), 'content of a');
  t.equal(filesystem.reads, 4);
  t.equal(await read(await ahead.open(b), 0, 20), 'content of b');
  t.equal(await read(await ahead.open(c), 0, 20), 'content of c');
  t.equal(filesystem.reads, 4);
});

t.test('one that is let go while it is read is read as it is', async (t) => {
  const { filesystem, id, ahead } = setUp();
  let open = (): void => undefined;
  filesystem.gate = new Promise((resolve) => {
    open = resolve;
  });
  const prepared = [Promise.resolve(ahead.prepare(id, 10))];
  const file = await ahead.open(id);
  for (const name of ['a', 'b']) prepared.push(Promise.resolve(ahead.prepare(filesystem.add(name, {}), 0)));
  open();
  await Promise.all(prepared);
  const { reads } = filesystem;
  t.equal(await read(file, 0, 10), '0123456789');
  t.equal(filesystem.reads, reads + 1);
});
