import { statSync } from 'node:fs';
import t from 'tap';
import { deviceNumbers } from '../../../src/system/device-numbers.js';

t.test('small and large numbers', async (t) => {
  t.same(deviceNumbers(0xfe00n), { major: 0xfen, minor: 0n });
  t.same(deviceNumbers(0x21_0305n), { major: 0x103n, minor: 0x205n });
  t.same(deviceNumbers(0x1234_5670_0abcn), { major: 0x100an, minor: 0x2345_67bcn });
});

t.test('a device that every machine has', async (t) => {
  t.same(deviceNumbers(statSync('/dev/null', { bigint: true }).rdev), { major: 1n, minor: 3n });
});
