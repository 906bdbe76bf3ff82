import t from 'tap';
import { JsonItems } from '../../../src/cli/json-items.js';
import { UmbraError } from '../../../src/common/errors.js';

/** What is printed, write by write. */
function printed(): { readonly writes: string[]; readonly items: JsonItems; readonly parse: () => unknown } {
  const writes: string[] = [];
  const writeBytes = (bytes: Uint8Array): Promise<void> => {
    writes.push(Buffer.from(bytes).toString());
    return Promise.resolve();
  };
  return { writes, items: new JsonItems({ writeBytes }, 'files'), parse: () => JSON.parse(writes.join('')) as unknown };
}

t.test('items that come in several parts are one document', async (t) => {
  const { writes, items, parse } = printed();
  await items.add([{ path: '/a' }, { path: '/b "\n' }]);
  t.equal(writes.length, 1, 'they are printed at once');
  await items.add([]);
  t.equal(writes.length, 1, 'nothing for none');
  await items.add([{ path: '/c' }]);
  await items.end({ machine: 'm1', found: 3, nothing: undefined, unread: [{ path: '/d' }] });
  t.same(parse(), {
    files: [{ path: '/a' }, { path: '/b "\n' }, { path: '/c' }],
    machine: 'm1',
    found: 3,
    unread: [{ path: '/d' }],
  });
  const text = writes.join('');
  t.match(text, /^\{\n {2}"files": \[\n {4}\{"path":"\/a"\},\n {4}\{/);
  t.match(text, /\n {2}\],\n {2}"machine": "m1",\n/);
  t.ok(text.endsWith(']\n}\n'));
});

t.test('without items it is a document all the same', async (t) => {
  const { items, parse } = printed();
  await items.end({ found: 0 });
  t.same(parse(), { files: [], found: 0 });
});

t.test('a document that was begun is ended with what went wrong', async (t) => {
  const { items, parse } = printed();
  await items.add([1]);
  await items.fail(new UmbraError('STORE_FAILED', 'the disk is broken', { hint: 'Replace it.' }));
  t.match(parse(), { files: [1], error: { code: 'STORE_FAILED', message: 'the disk is broken', hint: 'Replace it.' } });
});

t.test('of one that was not, nothing is printed', async (t) => {
  const { items, writes } = printed();
  await items.fail(new UmbraError('NOT_FOUND', 'no such machine'));
  t.same(writes, []);
});

t.test('an output that fails is an error of who adds', async (t) => {
  const items = new JsonItems({ writeBytes: () => Promise.reject(new Error('EPIPE')) }, 'files');
  await t.rejects(items.add([1]), { message: 'EPIPE' });
});
