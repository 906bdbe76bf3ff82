import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeMergeDirectory } from '../../src/restore/merge-directory.js';

/** A merge that has written something, says so, and waits to be killed. Argument: where. */
const [parent = ''] = process.argv.slice(2);
const { path } = await makeMergeDirectory(parent);
writeFileSync(join(path, 'vda.0'), 'some of it');
process.stdout.write('made\n');
setInterval(() => undefined, 1000);
