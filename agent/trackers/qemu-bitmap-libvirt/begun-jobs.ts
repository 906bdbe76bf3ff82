import { messageOf } from '../../../src/common/errors.js';
import type { Log } from '../../../src/common/log.js';
import { record } from '../../json-values.js';
import type { Domain } from '../../libvirt/domain.js';
import type { Libvirt } from '../../libvirt/libvirt.js';

/** How libvirt names the jobs of a backup: `backup-vda-…`. */
const JOB_PREFIX = 'backup-';

export interface BegunJobs {
  /** Resolves when the jobs of a backup that was begun since run; never, if nobody says so. */
  readonly running: Promise<void>;
  /** Idempotent. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Hear from QEMU itself that the jobs of a backup run. It begins those of all disks in one transaction, for which it holds back
 * what the guest writes: so the instant is past with the first that runs. libvirt, which saves and exports much afterwards, need not
 * be waited for before the guest goes on.
 */
export async function watchBegunJobs(libvirt: Libvirt, domain: Domain, log: Log): Promise<BegunJobs> {
  let began = (): void => undefined;
  const running = new Promise<void>((resolve) => (began = resolve));
  const created = new Set<string>();
  try {
    const stop = await libvirt.onMonitorEvent(domain, 'JOB_STATUS_CHANGE', (details) => {
      const { id, status } = record(JSON.parse(details));
      if (typeof id !== 'string' || !id.startsWith(JOB_PREFIX)) return;
      if (status === 'created') created.add(id);
      else if (status === 'running' && created.has(id)) began();
    });
    return { running, stop: () => stop().catch(() => undefined) };
  } catch (error) {
    const reason = messageOf(error);
    log.info('libvirt does not tell when a backup begins: its answer is waited for', { machine: domain.name, reason });
    return { running, stop: () => Promise.resolve() };
  }
}
