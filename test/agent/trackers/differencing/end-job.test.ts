import t from 'tap';
import { LibvirtFailure } from '../../../../agent/libvirt/libvirt-error.js';
import { endJob } from '../../../../agent/trackers/differencing/end-job.js';
import { UmbraError } from '../../../../src/common/errors.js';

const DOMAIN = { name: 'm', uuid: Buffer.alloc(16), id: 1 };

function failure(number: number): UmbraError {
  return new UmbraError('HYPERVISOR_FAILED', 'no', { cause: new LibvirtFailure(number, 10, 'no') });
}

/** A libvirt with a job that is ready, and how it answers who ends it. */
function libvirtOf(...answers: readonly (UmbraError | undefined)[]): Parameters<typeof endJob>[0] & { asked: number } {
  let isOver = false;
  const fake = {
    asked: 0,
    blockJob: () => Promise.resolve(isOver ? undefined : { isMerge: true, isReady: true }),
    endBlockJob: (): Promise<void> => {
      const answer = answers[fake.asked++];
      if (answer !== undefined) return Promise.reject(answer);
      isOver = true;
      return Promise.resolve();
    },
  };
  return fake;
}

t.test('a job of which libvirt was not told yet that it is ready is ended a little later', async (t) => {
  let still = 0;
  const whileStill = async (action: () => Promise<void>): Promise<void> => {
    still += 1;
    await action();
  };
  const notYet = failure(83);
  const libvirt = libvirtOf(notYet, notYet, undefined);
  await endJob(libvirt, DOMAIN, { volume: 'vda', atTop: 'pivot' }, whileStill);
  t.equal(libvirt.asked, 3);
  t.equal(still, 3, 'the guest goes on meanwhile');
  const failed = endJob(libvirtOf(failure(1)), DOMAIN, { volume: 'vda', atTop: 'pivot' }, whileStill);
  await t.rejects(failed, { code: 'HYPERVISOR_FAILED' });
});
