import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchError } from '../bench-error.js';
import { run } from '../process.js';
import type { Domain } from './domain.js';

/** A `sync` of the guest's is through. */
const SYNC_MS = 500;

/**
 * How long a guest stands still, in ms, if libvirt's own client freezes it, begins a backup, and thaws it, and does nothing else. What can be done
 * before is: the guest writes what it holds back, the scratch file is there. By the client's own clock, without its start.
 */
export async function barePause({ name, libvirt }: Domain, directory: string, diskBytes: number): Promise<number> {
  const place = path.join(directory, 'pause');
  mkdirSync(place);
  try {
    const [xml, socket, scratch] = [path.join(place, 'xml'), path.join(place, 'socket'), path.join(place, 'scratch')];
    const disk = `<disk name='vda' backup='yes' type='file'><driver type='qcow2'/><scratch file='${scratch}'/></disk>`;
    const server = `<server transport='unix' socket='${socket}'/>`;
    writeFileSync(xml, `<domainbackup mode='pull'>${server}<disks>${disk}</disks></domainbackup>`);
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', scratch, String(diskBytes)]);
    const sync = JSON.stringify({ execute: 'guest-exec', arguments: { path: 'sync' } });
    await libvirt.virsh('qemu-agent-command', name, sync);
    await sleep(SYNC_MS);
    const commands = [`domfsfreeze ${name}`, `backup-begin ${name} ${xml} --reuse-external`, `domfsthaw ${name}`];
    const uri = `qemu+unix:///system?socket=${libvirt.socketPath}`;
    const { stdout } = await run('virsh', ['-c', uri, '-t', commands.join('; ')]);
    const times = [...stdout.matchAll(/\(Time: ([\d.]+) ms\)/g)].map(([, ms]) => Number(ms));
    if (times.length !== commands.length) throw new BenchError(`virsh said no times: ${stdout}`);
    return times.reduce((sum, ms) => sum + ms, 0);
  } finally {
    // Each fails where there is nothing to undo.
    for (const undo of ['domfsthaw', 'domjobabort']) await libvirt.virsh(undo, name).catch(() => undefined);
    rmSync(place, { recursive: true });
  }
}
