import t from 'tap';
import type { OpenFile } from '../../mount/node.js';
import { OpenFiles } from '../../mount/open-files.js';

function fakeFile(): OpenFile & { closed: number } {
  return {
    closed: 0,
    read: () => Promise.resolve(0),
    close() {
      this.closed++;
      return Promise.resolve();
    },
  };
}

t.test('handles are never 0 and find their file', async (t) => {
  const files = new OpenFiles();
  const [a, b] = [fakeFile(), fakeFile()];
  const [first, second] = [await files.add(a, '/a'), await files.add(b, '/b')];
  t.ok(first > 0 && second > 0 && first !== second);
  t.equal(files.get(first), a);
  t.equal(files.get(second), b);
  await files.close(first);
  await files.close(first);
  t.equal(a.closed, 1);
  t.equal(files.get(first), undefined);
  t.equal(files.size, 1);
});

t.test('closeAll closes what is left, also when one fails', async (t) => {
  const files = new OpenFiles();
  const good = fakeFile();
  await files.add({ ...fakeFile(), close: () => Promise.reject(new Error('no')) }, '/bad');
  await files.add(good, '/good');
  await files.closeAll();
  t.equal(good.closed, 1);
  t.equal(files.size, 0);
});

t.test('there is a limit, and a file beyond it is closed', async (t) => {
  const files = new OpenFiles();
  const file = fakeFile();
  for (let i = 0; i < 65_536; i++) await files.add(file, '/x');
  const late = fakeFile();
  await t.rejects(async () => files.add(late, '/late'), { code: 'ENFILE' });
  t.equal(late.closed, 1);
});
