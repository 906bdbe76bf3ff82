import { serveInBackground } from '../../src/server/background.js';
import { fakeParts } from './fake-parts.js';

// The program of a server over the fake engine, as src/server/main.ts is over the real one.
await serveInBackground(process.argv[2], fakeParts);
process.exit();
