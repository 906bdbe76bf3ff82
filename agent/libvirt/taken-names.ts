import { isUmbraError } from '../../src/common/errors.js';

/** How QEMU says, and libvirt passes on, that it has a node of that name. */
const TAKEN = 'Duplicate nodes with node-name=';
/** A libvirtd that is killed leaves at most two for each disk, and may be killed again. */
const MOST_TRIES = 64;

/**
 * Have libvirt put nodes into a QEMU. It numbers them, and one that was killed in the midst of it has not noted how far it came:
 * when it runs again it gives numbers that are taken, the next one with each try.
 */
export async function pastTakenNames(put: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await put();
      return;
    } catch (error) {
      if (tries === MOST_TRIES || !isUmbraError(error) || !error.message.includes(TAKEN)) throw error;
    }
  }
}
