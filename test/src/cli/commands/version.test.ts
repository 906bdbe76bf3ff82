import t from 'tap';
import { VERSION } from '../../../../src/protocol/version.js';
import { runUmbra } from '../../../kit/run-umbra.js';

void t.test('shows the version', async (t) => {
  t.match(await runUmbra(['version']), { code: 0, stdout: `umbra ${VERSION}\n`, stderr: '' });
  t.match(JSON.parse((await runUmbra(['version', '--json'])).stdout), { version: VERSION, node: process.version });
});
