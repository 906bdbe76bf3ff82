import t from 'tap';
import { levelOpenOptions } from '../../../src/store/level-options.js';

t.test('profiles', (t) => {
  const bulk = levelOpenOptions({ profile: 'bulk', createIfMissing: true, errorIfExists: false });
  t.match(bulk, { compression: false, maxFileSize: 64 * 1024 * 1024, createIfMissing: true, errorIfExists: false });
  const small = levelOpenOptions({ profile: 'small', createIfMissing: false, errorIfExists: true });
  t.match(small, { compression: false, createIfMissing: false, errorIfExists: true });
  t.ok((small.maxFileSize ?? 0) < (bulk.maxFileSize ?? 0));
  t.end();
});
