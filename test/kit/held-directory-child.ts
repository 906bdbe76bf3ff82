import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeHeldDirectory } from '../../src/system/held-directory.js';

/** Makes a directory with something in it, says so, and waits to be killed. Arguments: where, and what its name begins with. */
const [parent = '', prefix = ''] = process.argv.slice(2);
const { path } = await makeHeldDirectory(parent, prefix);
writeFileSync(join(path, 'vda.0'), 'some of it');
process.stdout.write('made\n');
setInterval(() => undefined, 1000);
