import { execFileSync } from 'node:child_process';
import { DISK_BYTES } from '../../machine-lab.js';
import { makeGuest, type Guest } from '../../guest.js';
import { qemuImg } from '../../qemu.js';

/**
 * It writes a number to the file system of its first disk, and to the beginnings of both disks, the first one first, and runs
 * QEMU's guest agent. A file system leaves the beginning of its disk alone; while it is frozen, so does this.
 */
const INIT = `#!/bin/sh
mkdir -p /sys /run /var/run
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod "/modules/$module"; done
for try in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vdb ] && [ -e /dev/vport*p1 ] && break; sleep 0.2; done
mount -t ext4 /dev/vda /mnt
/sbin/qemu-ga -m virtio-serial -p /dev/vport*p1 -t /run -f /run/qga.pid &
number=0
while :; do
  number=$((number + 1))
  echo $number > /mnt/count
  sync
  bytes=$(printf '\\\\%03o\\\\%03o\\\\%03o\\\\000' $((number & 255)) $((number >> 8 & 255)) $((number >> 16 & 255)))
  for disk in vda vdb; do printf "$bytes" | dd of=/dev/$disk bs=4 conv=notrunc,fsync 2>/dev/null; done
  sleep 0.05
done
`;

/** What libvirt gives it for its agent. */
export const AGENT_CHANNEL = `<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>`;

/** Linux with a guest agent. @param initrd - its initial file system is written there */
export async function agentGuest(initrd: string): Promise<Guest> {
  return await makeGuest({ initrd, files: { init: Buffer.from(INIT) }, programs: ['dd', 'printf'] });
}

/** Make an image with the file system that it mounts. */
export function makeGuestDisk(path: string, format: string): void {
  const raw = `${path}.new`;
  qemuImg('create', '-q', '-f', 'raw', raw, String(DISK_BYTES));
  execFileSync('mke2fs', ['-q', '-t', 'ext4', raw]);
  qemuImg('convert', '-O', format, raw, path);
}
