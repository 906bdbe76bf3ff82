import { fileURLToPath } from 'node:url';
import { runProcess } from '../../src/cli/process.js';

// The `umbra` program with servers over the fake engine.
await runProcess({
  serverProgram: fileURLToPath(new URL('fake-server.js', import.meta.url)),
  umbraProgram: fileURLToPath(import.meta.url),
  filterProgram: '',
  serverParts: async () => (await import('./fake-parts.js')).fakeParts,
});
