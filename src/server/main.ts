import { serveInBackground } from './background.js';
import { localParts } from './local-parts.js';

// The program of a server that a command starts (src/client/start-server.ts). It ends itself: what a
// store that failed to open left behind must not keep it alive.
await serveInBackground(process.argv[2], localParts);
process.exit();
