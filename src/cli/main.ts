#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { runProcess } from './process.js';

await runProcess({
  serverProgram: fileURLToPath(new URL('../server/main.js', import.meta.url)),
  umbraProgram: fileURLToPath(import.meta.url),
  filterProgram: fileURLToPath(new URL('../../agent/filter/main.js', import.meta.url)),
  serverParts: async () => await (await import('../server/serve.js')).loadLocalParts(),
});
