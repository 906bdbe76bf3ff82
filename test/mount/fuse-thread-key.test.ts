import t from 'tap';
import { markEndedThreads } from '../../mount/fuse-thread-key.js';

t.test('without fuse-native there is no key to take', (t) => {
  t.equal(markEndedThreads(), false);
  t.end();
});
