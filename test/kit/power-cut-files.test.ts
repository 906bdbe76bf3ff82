import t from 'tap';
import { DurableDirectory, DurableFile } from './power-cut-files.js';
import { Random, testSeed } from './random.js';

const random = new Random(testSeed(t));
const ROUNDS = 200;

t.test('a file keeps what was synced and a prefix of what came after', (t) => {
  const left = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const file = new DurableFile(0o644);
    file.write(Buffer.from('synced'), 0);
    file.sync();
    file.write(Buffer.from('AB'), 6);
    file.write(Buffer.from('CD'), 8);
    left.add(file.surviving(random).toString());
  }
  t.same([...left].sort(), ['synced', 'syncedA', 'syncedAB', 'syncedABC', 'syncedABCD']);
  t.end();
});

t.test('a file can be read, overwritten, cut and extended', (t) => {
  const file = new DurableFile(0o644);
  file.write(Buffer.from('abcdef'), 0);
  file.truncate(3);
  file.write(Buffer.from('X'), 1);
  file.truncate(5);
  const buffer = Buffer.alloc(10, '.');
  t.equal(file.read(buffer, 10, 0), 5);
  t.equal(buffer.toString('latin1'), 'aXc\0\0.....');
  t.equal(file.read(buffer, 2, 4), 1);
  t.equal(file.read(buffer, 2, 9), 0);
  file.sync();
  t.equal(file.surviving(random).toString('latin1'), 'aXc\0\0');
  t.end();
});

t.test('a directory keeps what was synced and a prefix of what came after', (t) => {
  const left = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const directory = new DurableDirectory(0o755);
    directory.set('a', new DurableFile(0o644));
    directory.sync();
    directory.move('a', directory, 'b');
    directory.set('c', new DurableFile(0o644));
    directory.set('b', undefined);
    left.add([...directory.surviving(random).keys()].join(' '));
  }
  t.same([...left].sort(), ['a', 'b', 'b c', 'c']);
  t.end();
});

t.test('syncing a file makes its name and the directories above it durable', (t) => {
  const root = new DurableDirectory(0o755);
  const below = new DurableDirectory(0o755);
  const file = new DurableFile(0o644);
  root.set('below', below);
  below.set('file', file);
  file.sync();
  t.same([...root.surviving(random).keys()], ['below']);
  t.same([...below.surviving(random).keys()], ['file']);
  below.move('file', root, 'moved');
  t.same([...root.surviving(random).keys()], ['below', 'moved']);
  t.same([...below.surviving(random).keys()], []);
  t.end();
});

t.test('syncing a file makes no other name durable', (t) => {
  const left = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const directory = new DurableDirectory(0o755);
    const [file, other] = [new DurableFile(0o644), new DurableFile(0o600)];
    directory.set('temporary', new DurableFile(0o644));
    directory.move('temporary', directory, 'renamed');
    directory.set('again', other);
    directory.set('again', undefined);
    directory.set('again', file);
    file.sync();
    const surviving = directory.surviving(random);
    t.equal(surviving.get('again'), file);
    left.add([...surviving.keys()].sort().join(' '));
  }
  t.same([...left].sort(), ['again', 'again renamed', 'again temporary']);
  t.end();
});
