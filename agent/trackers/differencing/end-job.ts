import { setTimeout } from 'node:timers/promises';
import type { Domain } from '../../libvirt/domain.js';
import { libvirtNumber } from '../../libvirt/libvirt-error.js';
import type { Libvirt } from '../../libvirt/libvirt.js';
import { LIBVIRT_ERROR } from '../../libvirt/protocol.js';
import type { WhileStill } from './overlay-machine.js';

const POLL_MS = 20;
const QUICK_POLL_MS = 2;

type Jobs = Pick<Libvirt, 'blockJob' | 'endBlockJob'>;

interface EndingJob {
  readonly volume: string;
  /** How it ends when all is merged that the guest has written so far; undefined if it ends by itself. */
  readonly atTop: 'pivot' | 'cancel' | undefined;
}

/** See the job of a disk to its end, if there is one. @throws {UmbraError} HYPERVISOR_* */
export async function endJob(libvirt: Jobs, domain: Domain, job: EndingJob, whileStill: WhileStill): Promise<void> {
  const { volume, atTop } = job;
  for (;;) {
    const now = await libvirt.blockJob(domain, volume);
    if (now === undefined) return;
    if (now.isReady && atTop !== undefined && (await endReady(libvirt, domain, { volume, atTop }, whileStill))) return;
    await setTimeout(POLL_MS);
  }
}

/** @returns false if libvirt, which asks QEMU how far it is, and waits to be told that it is ready, was not told yet */
async function endReady(
  libvirt: Jobs,
  domain: Domain,
  { volume, atTop }: EndingJob & { readonly atTop: 'pivot' | 'cancel' },
  whileStill: WhileStill,
): Promise<boolean> {
  let isEnded = false;
  // QEMU may end over a guest that writes meanwhile.
  await whileStill(async () => {
    try {
      await libvirt.endBlockJob(domain, volume, atTop);
    } catch (error) {
      if (libvirtNumber(error) !== LIBVIRT_ERROR.blockCopyActive) throw error;
      return;
    }
    while ((await libvirt.blockJob(domain, volume)) !== undefined) await setTimeout(QUICK_POLL_MS);
    isEnded = true;
  });
  return isEnded;
}
