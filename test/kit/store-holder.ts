/** A program: opens the store in `argv[2]` (making it if need be), prints `open` or the error's code, and holds it until stdin ends. */
import { systemClock } from '../../src/common/clock.js';
import { systemCode } from '../../src/common/errors.js';
import { StoreDirectory } from '../../src/store/store-directory.js';

const [, , directory = ''] = process.argv;
try {
  const held = await StoreDirectory.open({ directory, clock: systemClock, create: { mustBeNew: false } });
  process.stdout.write('open\n');
  process.stdin.resume();
  process.stdin.on('end', () => void held.close());
} catch (error) {
  process.stdout.write(`${systemCode(error) ?? 'uncoded'}\n`);
}
