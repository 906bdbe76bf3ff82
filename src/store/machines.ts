import { UmbraError } from '../common/errors.js';
import type { ProtectedMachine } from '../protocol/agents-api.js';
import type { Settings } from './settings.js';
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

  /** Those that are no longer protected, and in which their agents may have left something. Sorted by name. */
  leaving(): readonly ProtectedMachine[] {
    return this.#store().settings.leaving ?? [];
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

  /** Protect a machine, or protect it otherwise: nobody lets go of it then. @throws {UmbraError} STORE_FULL, STORE_FAILED */
  async protect(machine: ProtectedMachine): Promise<void> {
    await this.#store().updateSettings((settings) => ({
      ...withLeaving(this.#withFormer(settings, machine), (other) => {
        return other.name !== machine.name && !isSameMachine(other, machine);
      }),
      machines: [...withoutName(settings.machines, machine.name), machine].sort(byName),
    }));
  }

  /**
   * Its shadow copies stay, and it is one of {@link leaving} until it is {@link gone}; one that is already stays so.
   * @throws {UmbraError} NOT_FOUND, STORE_FULL, STORE_FAILED
   */
  async unprotect(name: string): Promise<ProtectedMachine> {
    const isProtected = this.list().some((candidate) => candidate.name === name);
    const before = this.leaving().find((candidate) => candidate.name === name);
    if (!isProtected && before !== undefined) return before;
    const machine = this.find(name);
    await this.#store().updateSettings((settings) => ({
      ...this.#withFormer(settings, machine, machine.host),
      machines: withoutName(settings.machines, name),
      leaving: [...withoutName(settings.leaving ?? [], name), machine].sort(byName),
    }));
    return machine;
  }

  /**
   * Remember which host protected it, or forget that; and of others of which there is nothing any more. A replica alone counts, too: somebody may make a
   * shadow copy of it, which the host has sent that protected the machine then.
   */
  #withFormer(settings: Settings, { name }: ProtectedMachine, host?: string): Settings {
    const { formerHosts: before = [], ...others } = settings;
    const former = before.filter(({ machine }) => machine !== name);
    if (host !== undefined) former.push({ machine: name, host });
    const kept = former.filter(({ machine }) => this.#store().catalog.upToDate(machine) !== undefined);
    return kept.length === 0 ? others : { ...others, formerHosts: kept };
  }

  /** Nothing is left in a machine that is no longer protected. @throws {UmbraError} STORE_FULL, STORE_FAILED */
  async gone(machine: ProtectedMachine): Promise<void> {
    await this.#store().updateSettings((settings) => withLeaving(settings, ({ name }) => name !== machine.name));
  }
}

function withoutName(machines: readonly ProtectedMachine[], name: string): ProtectedMachine[] {
  return machines.filter((other) => other.name !== name);
}

/** Settings with those of the machines that are let go of; the same settings where that changes nothing. */
function withLeaving(settings: Settings, isKept: (machine: ProtectedMachine) => boolean): Settings {
  const { leaving = [], ...others } = settings;
  const kept = leaving.filter(isKept);
  if (kept.length === leaving.length) return settings;
  return kept.length === 0 ? others : { ...others, leaving: kept };
}

/** Whatever it is called in the store. */
function isSameMachine(a: ProtectedMachine, b: ProtectedMachine): boolean {
  if (a.uuid !== undefined && b.uuid !== undefined) return a.uuid === b.uuid;
  return a.host === b.host && a.hostName === b.hostName;
}

function byName(a: ProtectedMachine, b: ProtectedMachine): number {
  return a.name < b.name ? -1 : 1;
}
