import { contentOf, request } from './checkpoints.js';
import { overlayTracker } from './overlays.js';

/**
 * An agent that makes one checkpoint by overlays, reads it and acknowledges it; to be killed at any point. It says what it is at.
 * Arguments: directory, QMP socket, checkpoint, its predecessor (may be left out).
 */
const [directory = '', qmpSocket = '', id = '', since] = process.argv.slice(2);
process.stdout.write('begins\n');
const checkpoint = await overlayTracker(directory, qmpSocket).checkpoint(request(id, since));
process.stdout.write('made\n');
for (const volume of checkpoint.volumes) await contentOf(volume);
process.stdout.write('merges\n');
await checkpoint.acknowledge();
await checkpoint.close();
