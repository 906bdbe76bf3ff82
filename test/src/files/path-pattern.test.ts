import t from 'tap';
import { PathPattern } from '../../../src/files/path-pattern.js';

/** Whether a path matches, and whether something below it could. */
function look(glob: string, path: string, ignoreCase = false): [boolean, boolean] {
  const pattern = new PathPattern(glob, { ignoreCase });
  let state = pattern.start;
  for (const name of path.split('/').filter((part) => part !== '')) state = pattern.step(state, name);
  return [pattern.accepts(state), pattern.canGoOn(state)];
}

t.test('a name is found at any depth', async (t) => {
  t.same(look('*.conf', '/vda1/etc/a.conf'), [true, true]);
  t.same(look('*.conf', '/vda1/etc'), [false, true]);
  t.same(look('ETC', '/vda1/etc', true), [true, true]);
});

t.test('a path from the top prunes what is beside it', async (t) => {
  t.same(look('/vda1/etc/*.conf', '/vda1/etc/a.conf'), [true, false]);
  t.same(look('/vda1/etc/*.conf', '/vda1/etc'), [false, true]);
  t.same(look('/vda1/etc/*.conf', '/vda1/usr'), [false, false]);
  t.same(look('/vda1/etc/*.conf', '/vda1/etc/x/a.conf'), [false, false]);
  t.same(look('/vda1//etc/', '/vda1/etc'), [true, false]);
});

t.test('two stars take any number of directories', async (t) => {
  t.same(look('/vda1/**/x', '/vda1/x'), [true, true]);
  t.same(look('/vda1/**/x', '/vda1/a/b/x'), [true, true]);
  t.same(look('/vda1/**', '/vda1/a/b'), [true, true]);
  t.same(look('/vda1/**', '/vda1'), [true, true]);
  t.same(look('/vda1/**', '/vda2/a'), [false, false]);
  t.same(look('etc/**/*.d', '/vda1/a/etc/b/c.d'), [true, true]);
  t.same(look('**/**/x', '/x'), [true, true]);
});

t.test('braces make alternatives', async (t) => {
  for (const path of ['/a/x.c', '/a/x.h', '/b/x.c']) t.same(look('/{a,b}/*.{c,h}', path), [true, false], path);
  t.same(look('/{a,{b,c}d}', '/cd'), [true, false]);
  t.same(look('{a}', '/{a}'), [true, true]);
  t.same(look('{a,b', '/{a,b'), [true, true]);
  t.same(look(String.raw`\{a,b}`, '/{a,b}'), [true, true]);
  t.throws(() => new PathPattern('{1,2}'.repeat(7)), { code: 'BAD_ARGUMENT' });
});
