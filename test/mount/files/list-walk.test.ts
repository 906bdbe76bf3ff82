import t from 'tap';
import { ListWalks } from '../../../mount/files/list-walk.js';
import { ListedNames } from '../../../mount/files/listed-names.js';
import type { FileId } from '../../../mount/filesystems/filesystem.js';

function setUp(maxNames?: number) {
  const listed = new ListedNames(maxNames);
  const names = listed.forFilesystem();
  for (const directory of [1, 2]) {
    names.add(
      directory,
      ['a', 'b', 'c'].map((name, index) => ({ name, id: directory * 10 + index })),
    );
  }
  const looked: [string, FileId][] = [];
  const walks = new ListWalks(names, (path, id) => looked.push([path, id]));
  return { names, looked, walks };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('who looks at the first name of a list finds the next one looked at, to the end', async (t) => {
  const { looked, walks } = setUp();
  t.equal(walks.cameTo('d/a'), false);
  walks.began(1, 'd/', 'a');
  t.equal(looked.length, 0, 'not before the request is answered');
  await turn();
  t.strictSame(looked, [['d/b', 11]]);
  t.equal(walks.nextOf('d/a'), 'd/b');
  t.equal(walks.cameTo('d/b'), true);
  t.equal(walks.nextOf('d/a'), undefined);
  t.equal(walks.nextOf('d/b'), 'd/c');
  t.equal(walks.cameTo('d/b'), false, 'a second look at it');
  t.equal(walks.nextOf('d/b'), 'd/c');
  t.equal(walks.cameTo('d/c'), true);
  t.equal(walks.nextOf('d/c'), undefined);
  await turn();
  t.strictSame(looked, [
    ['d/b', 11],
    ['d/c', 12],
  ]);
});

t.test('who begins elsewhere goes alone', async (t) => {
  const { looked, walks } = setUp();
  walks.began(1, 'd/', 'b');
  walks.began(3, '', 'a');
  await turn();
  t.strictSame(looked, []);
});

t.test('several walks at once, the directory above as well', async (t) => {
  const { looked, walks } = setUp();
  walks.began(1, '', 'a');
  walks.began(2, 'a/', 'a');
  t.equal(walks.cameTo('a/b'), true);
  t.equal(walks.cameTo('b'), true);
  t.equal(walks.nextOf('b'), 'c');
  t.equal(walks.cameTo('a/c'), true);
  await turn();
  t.strictSame(
    looked.map(([path]) => path),
    ['b', 'a/b', 'a/c', 'c'],
  );
});

t.test('walks that nobody goes on with are forgotten', (t) => {
  const { walks } = setUp();
  for (let index = 0; index < 9; index++) walks.began(1, `d${index}/`, 'a');
  t.equal(walks.cameTo('d0/b'), false);
  t.equal(walks.cameTo('d1/b'), true);
  t.end();
});

t.test('a walk keeps no names that are not remembered any more', (t) => {
  const { names, walks } = setUp(10);
  walks.began(1, 'd/', 'a');
  names.add(
    3,
    Array.from({ length: 9 }, (_, index) => ({ name: `n${index}`, id: index })),
  );
  t.equal(walks.cameTo('d/b'), true);
  t.equal(walks.nextOf('d/b'), undefined);
  t.end();
});

t.test('a walk ends at a name that is there twice', (t) => {
  const { names, walks } = setUp();
  names.add(4, [
    { name: 'a', id: 1 },
    { name: 'twice', id: 2 },
    { name: 'twice', id: 3 },
    { name: 'z', id: 4 },
  ]);
  walks.began(4, '', 'a');
  t.equal(walks.nextOf('a'), undefined);
  t.end();
});
