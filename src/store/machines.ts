import { UmbraError } from '../common/errors.js';
import type { ProtectedMachine } from '../protocol/agents-api.js';
import type { Store } from './store.js';

/** The protected machines in a store's settings: which host's agent may add shadow copies to which machine. */
export class Machines {
  readonly #store: () => Store;

  /** @param store asked for each time: it may be rebuilt */
  constructor(store: () => Store) {
    this.#store = store;
  }

  /** Sorted by name. */
  list(): readonly ProtectedMachine[] {
    return this.#store().settings.machines;
  }

  /** @throws {UmbraError} NOT_FOUND when it is not protected */
  find(name: string): ProtectedMachine {
    const machine = this.list().find((candidate) => candidate.name === name);
    if (machine !== undefined) return machine;
    throw new UmbraError('NOT_FOUND', `the machine "${name}" is not protected`, {
      hint: 'Run "umbra machines" to see what there is, and "umbra protect" to protect one.',
    });
  }

  /** @throws {UmbraError} FORBIDDEN, the same whether the machine is another host's or nobody's */
  assertOf(name: string, host: string): ProtectedMachine {
    const machine = this.list().find((candidate) => candidate.name === name);
    if (machine?.host === host) return machine;
    throw new UmbraError('FORBIDDEN', `"${name}" is no machine that the host ${host} protects`, {
      hint: 'An administrator protects it with "umbra protect".',
    });
  }

  /** Protect a machine, or protect it otherwise. @throws {UmbraError} STORE_FULL, STORE_FAILED */
  async protect(machine: ProtectedMachine): Promise<void> {
    await this.#store().updateSettings((settings) => {
      const others = settings.machines.filter(({ name }) => name !== machine.name);
      return { ...settings, machines: [...others, machine].sort((a, b) => (a.name < b.name ? -1 : 1)) };
    });
  }

  /** Its shadow copies stay. @throws {UmbraError} NOT_FOUND, STORE_FULL, STORE_FAILED */
  async unprotect(name: string): Promise<ProtectedMachine> {
    const machine = this.find(name);
    await this.#store().updateSettings((settings) => ({
      ...settings,
      machines: settings.machines.filter((other) => other.name !== name),
    }));
    return machine;
  }
}
