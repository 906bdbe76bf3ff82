import { LibvirtBitmapTracker } from '../../agent/trackers/qemu-bitmap-libvirt/libvirt-bitmap-tracker.js';
import type { LibvirtMachine } from './libvirt-machine.js';
import { request } from './checkpoints.js';

/** An agent that makes a checkpoint, says so, and waits to be killed. Arguments: the tracker's options in JSON, ids. */
const [options = '', id = '', since] = process.argv.slice(2);
const parsed = JSON.parse(options) as ReturnType<LibvirtMachine['trackerOptions']>;
await new LibvirtBitmapTracker(parsed).checkpoint(request(id, since));
process.stdout.write('made\n');
setInterval(() => undefined, 1000);
