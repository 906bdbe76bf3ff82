import { numberKey } from './bytes.js';
import { openLevelKv } from '../../src/store/level-kv.js';

/** `level-reader DIRECTORY KEYS`: looks up the numbers from 0 in a database, one after the other, and says so at its end. */
const [, , directory = '', keys = ''] = process.argv;
const kv = await openLevelKv(directory, { profile: 'bulk', createIfMissing: false, errorIfExists: false });
for (let number = 0; number < Number(keys); number++) await kv.get(numberKey(number));
await kv.close();
process.stdout.write('read\n');
