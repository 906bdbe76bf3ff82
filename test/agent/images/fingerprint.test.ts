import t from 'tap';
import { hasTrustedTimes, identityText, isSettled } from '../../../agent/images/fingerprint.js';

const AT_10_S = { dev: 1n, ino: 2n, size: 3n, mtimeNs: 10_000_000_000n, ctimeNs: 10_000_000_000n };

t.test('settled after two seconds, by both times', async (t) => {
  t.equal(isSettled(AT_10_S, 11_999), false);
  t.equal(isSettled(AT_10_S, 12_000), false);
  t.equal(isSettled(AT_10_S, 12_001), true);
  t.equal(isSettled({ ...AT_10_S, ctimeNs: 11_000_000_000n }, 12_500), false);
  t.equal(isSettled({ ...AT_10_S, mtimeNs: 99_000_000_000n }, 12_500), false, 'in the future');
});

t.test('every number counts', async (t) => {
  t.equal(identityText(AT_10_S), '1:2:3:10000000000:10000000000');
});

t.test('times of the file systems of /proc are not trusted', async (t) => {
  t.equal(await hasTrustedTimes('/proc/self/status'), false);
  t.equal(await hasTrustedTimes('/sys/kernel'), false);
});
