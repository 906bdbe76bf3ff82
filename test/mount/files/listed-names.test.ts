import t from 'tap';
import { ListedNames } from '../../../mount/files/listed-names.js';
import type { DirectoryItem } from '../../../mount/filesystems/filesystem.js';

function items(count: number, from = 0): DirectoryItem[] {
  return Array.from({ length: count }, (_, index) => ({ name: `n${from + index}`, id: from + index }));
}

t.test('knows what a list said, each directory and file system for itself', (t) => {
  const listed = new ListedNames();
  const [one, other] = [listed.forFilesystem(), listed.forFilesystem()];
  t.equal(one.find(5, 'n0'), undefined);
  one.add(5, items(2));
  one.add(5, items(2, 2));
  one.add(6, [{ name: 'n0', id: 7n }]);
  t.equal(one.find(5, 'n0'), 0);
  t.equal(one.find(5, 'n3'), 3);
  t.equal(one.find(6, 'n0'), 7n);
  t.equal(one.find(6, 'n1'), undefined);
  t.equal(one.find(5, 'N0'), undefined);
  t.equal(other.find(5, 'n0'), undefined);
  t.end();
});

t.test('a second list adds nothing, and of a name that is there twice nothing is known', (t) => {
  const listed = new ListedNames();
  const names = listed.forFilesystem();
  names.add(1, items(3));
  names.add(1, [...items(3), { name: 'n1', id: 99 }]);
  t.equal(listed.size, 3);
  t.equal(names.find(1, 'n1'), undefined);
  t.equal(names.find(1, 'n2'), 2);
  t.end();
});

t.test('is bounded: what was not used for the longest time goes, and of a large directory the end', (t) => {
  const listed = new ListedNames(10);
  const names = listed.forFilesystem();
  for (const directory of [1, 2, 3]) names.add(directory, items(3));
  t.equal(names.find(1, 'n0'), 0, 'used');
  names.add(4, items(3));
  t.equal(listed.size, 9);
  t.equal(names.find(2, 'n0'), undefined, 'the oldest is gone');
  t.equal(names.find(1, 'n0'), 0);
  t.equal(names.find(3, 'n0'), 0);
  names.add(5, items(8));
  names.add(5, items(8, 8));
  t.equal(listed.size, 10);
  t.equal(names.find(5, 'n9'), 9);
  t.equal(names.find(5, 'n10'), undefined);
  for (const directory of [1, 3, 4]) t.equal(names.find(directory, 'n0'), undefined);
  t.end();
});
