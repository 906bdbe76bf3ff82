import { contentOf, bitmapTracker, request } from './checkpoints.js';

/**
 * An agent that makes one checkpoint, reads it and acknowledges it; to be killed at any point.
 * It says when it begins, and when the checkpoint is made; then it takes its time. Arguments: directory, QMP socket, checkpoint, its predecessor (may be left out).
 */
const [directory = '', qmpSocket = '', id = '', since] = process.argv.slice(2);
process.stdout.write('begins\n');
const checkpoint = await bitmapTracker(directory, qmpSocket).checkpoint(request(id, since));
process.stdout.write('made\n');
for (const volume of checkpoint.volumes) await contentOf(volume);
await checkpoint.acknowledge();
await checkpoint.close();
