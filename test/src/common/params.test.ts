import t from 'tap';
import { boolean, list, machine, object, oneOf, path, string, version, volume } from '../../../src/common/params.js';

void t.test('strings have a length and no NUL', async (t) => {
  t.equal(string('a', 'f'), 'a');
  for (const value of ['', 'a\0b', 'x'.repeat(4097), 1, null, undefined, {}, []]) {
    t.throws(() => string(value, 'f'), { code: 'BAD_ARGUMENT', message: /"f"/ });
  }
});

void t.test('paths are absolute, and normal afterwards', async (t) => {
  t.equal(path('/a/../b//c/', 'f'), '/b/c');
  t.equal(path('/', 'f'), '/');
  t.throws(() => path('a/b', 'to'), { code: 'BAD_ARGUMENT', message: '"to" must be an absolute path' });
});

void t.test('names are checked', async (t) => {
  t.equal(machine('web1', 'machine'), 'web1');
  t.throws(() => machine('../x', 'machine'), { code: 'BAD_NAME' });
  t.throws(() => volume('a/b', 'volume'), { code: 'BAD_NAME' });
  t.equal(version('latest', 'version'), 'latest');
  t.equal(version('2026-11-22T10-15-00Z-2', 'version'), '2026-11-22T10-15-00Z-2');
  t.throws(() => version('yesterday', 'version'), { code: 'BAD_ARGUMENT', message: /"version"/ });
});

void t.test('booleans and choices are exact', async (t) => {
  t.equal(boolean(false, 'f'), false);
  t.throws(() => boolean(0, 'force'), { message: '"force" must be true or false' });
  t.equal(oneOf('a', 'b')('b', 'f'), 'b');
  t.throws(() => oneOf('a', 'b')('c', 'f'), { message: '"f" must be one of a, b' });
});

void t.test('lists name the item that is wrong', async (t) => {
  t.same(list(string)(['a'], 'f'), ['a']);
  t.throws(() => list(string)(['a', 1], 'images'), { message: /"images\[1\]"/ });
  t.throws(() => list(string, 1)([], 'images'), { message: /"images"/ });
  t.throws(() => list(boolean)(new Array(4097).fill(true), 'f'), { code: 'BAD_ARGUMENT' });
  t.throws(() => list(string)({ length: 1 }, 'f'), { code: 'BAD_ARGUMENT' });
});

void t.test('objects have exactly their fields', async (t) => {
  const shape = object({ a: string }, { b: boolean });
  t.same(shape({ a: 'x' }, ''), { a: 'x' });
  t.same(shape({ a: 'x', b: true }, ''), { a: 'x', b: true });
  t.throws(() => shape({}, ''), { message: '"a" is missing' });
  t.throws(() => shape({ a: 'x', c: 1 }, ''), { message: '"c" is not a known field' });
  t.throws(() => shape({ a: 'x', b: undefined }, 'o'), { message: /"o\.b"/ });
  t.throws(() => shape(JSON.parse('{"a":"x","__proto__":{}}'), ''), { message: /"__proto__" is not/ });
  t.throws(() => shape({ a: 'x', constructor: 1 }, ''), { message: /"constructor" is not/ });
  for (const value of [null, 1, 'x', [], undefined]) {
    t.throws(() => shape(value, ''), { message: 'the request must be an object' });
  }
});
