/**
 * A program: changes the key of the store in `argv[2]` for ever, from that of number `argv[3]` to the next, and prints the number of each
 * once it holds. Made to be killed.
 */
import { systemClock } from '../../src/common/clock.js';
import { StoreDirectory } from '../../src/store/store-directory.js';
import { numberedKey } from './sealed.js';

const [, , directory = '', first = '0'] = process.argv;
const ask = (): Promise<ReturnType<typeof numberedKey>> => Promise.resolve(numberedKey(Number(first)));
const held = await StoreDirectory.open({ directory, clock: systemClock, ask });
for (let number = Number(first) + 1; ; number++) {
  await held.keyring.change({ secret: numberedKey(number) });
  process.stdout.write(`${number}\n`);
}
