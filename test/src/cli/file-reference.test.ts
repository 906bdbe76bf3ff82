import t from 'tap';
import { parseFile, parseFileOfAll, parseFileReference } from '../../../src/cli/file-reference.js';

t.test('machine, version and path', async (t) => {
  t.same(parseFileReference('web1'), { machine: 'web1', version: 'latest', hasVersion: false, path: undefined });
  t.match(parseFileReference('web1@2026-11-22T10-15-00Z:/vda1/etc'), {
    machine: 'web1',
    version: '2026-11-22T10-15-00Z',
    hasVersion: true,
    path: '/vda1/etc',
  });
  t.match(parseFileReference('web1@latest'), { version: 'latest', hasVersion: true, path: undefined });
});

t.test('paths have one form', async (t) => {
  const cases: [string, string][] = [
    ['', '/'],
    ['/', '/'],
    ['vda1/etc', '/vda1/etc'],
    ['//vda1/./etc/../usr//', '/vda1/usr'],
    ['/../..', '/'],
    ['/vda1/a:b@c', '/vda1/a:b@c'],
    [String.raw`/vda1/caf\xe9`, String.raw`/vda1/caf\xe9`],
    [String.raw`/vda1/a\x0ab`, '/vda1/a\nb'],
    [String.raw`/vda1/a\x2fb`, String.raw`/vda1/a\x2fb`],
    [String.raw`/vda1/a\x5cx0ab`, String.raw`/vda1/a\x5cx0ab`],
  ];
  for (const [written, path] of cases) t.equal(parseFile(`web1:${written}`).path, path, written);
});

t.test('mistakes are told from each other', async (t) => {
  t.throws(() => parseFileReference('/vda1/etc'), { code: 'BAD_ARGUMENT', message: /of which machine/ });
  t.throws(() => parseFileReference('we b:/vda1'), { code: 'BAD_NAME' });
  t.throws(() => parseFileReference('web1@yesterday:/vda1'), { code: 'BAD_NAME', message: /yesterday/ });
  t.throws(() => parseFile('web1'), { code: 'BAD_ARGUMENT', message: /which file/ });
  t.throws(() => parseFile('web1:/a\0b'), { code: 'BAD_ARGUMENT' });
  t.same(parseFileOfAll('web1:/vda1'), { machine: 'web1', path: '/vda1' });
  t.throws(() => parseFileOfAll('web1@latest:/vda1'), { code: 'BAD_ARGUMENT', hint: 'Say web1:/vda1' });
});
