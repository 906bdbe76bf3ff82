import { createHash } from 'node:crypto';
import type { Clock } from '../common/clock.js';
import { isUmbraError, UmbraError } from '../common/errors.js';
import { DEFAULT_DOCUMENT } from '../policies/default-document.js';
import { BUILT_IN_POLICIES } from '../policies/default-policy.js';
import { loadPolicyParser } from '../policies/load-parser.js';
import type { parseKeptPolicies } from '../policies/parse-policies.js';
import type { HostLimits, Policies } from '../policies/policy.js';
import { policyOf, type EffectivePolicy } from '../policies/resolve-policy.js';
import type { Catalog, Listing } from './catalog.js';
import { rememberMinimums } from './former-minimums.js';
import type { Settings } from './settings.js';

/** The policies that hold. */
export interface PolicyDocument {
  /** As somebody wrote it, with his comments; or the built-in one. */
  readonly text: string;
  /** Names the text: SHA-256, in hex. */
  readonly digest: string;
  readonly isBuiltIn: boolean;
  readonly policies: Policies;
}

/** Whose policy is asked for; the host that runs it, if that is known. */
export interface MachineOnHost {
  readonly machine: string;
  readonly host?: string;
}

/** What policies need of a store. */
export interface PolicyStore {
  readonly settings: Settings;
  readonly catalog: Catalog;
  readonly summaries: (
    listings: readonly Listing[],
  ) => Promise<readonly { readonly listing: Listing; readonly summary: { readonly host?: string } }[]>;
  readonly updateSettings: (change: (settings: Settings) => Settings) => Promise<void>;
}

/** The policies in a store's settings. */
export class StoredPolicies {
  readonly #store: PolicyStore;
  readonly #clock: Clock;
  /** Understands what somebody wrote; loaded when there is such a thing. */
  #parse: typeof parseKeptPolicies | undefined;
  #known: PolicyDocument | undefined;
  /** Why the text that was read last can't be understood: reading it anew for each machine that it is asked for would take long. */
  #refused: { readonly text: string; readonly error: UmbraError } | undefined;

  /** Whose agents sent shadow copies, which never changes: asking the store for each that is pruned would take most of that time. */
  readonly #senders = new WeakMap<Listing, string | undefined>();

  /** Whose agents protect machines, or did, by the settings that say so, which are never changed. */
  readonly #protectors = new WeakMap<Settings, ReadonlyMap<string, string>>();

  constructor(store: PolicyStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Be ready for these settings. It is called before they hold, whoever changes them. */
  async prepare({ policies }: Settings): Promise<void> {
    if (policies !== undefined) this.#parse ??= (await loadPolicyParser()).parseKeptPolicies;
  }

  /** @throws {UmbraError} STORE_DAMAGED if what is stored can't be understood */
  document(): PolicyDocument {
    const { policies: applied } = this.#store.settings;
    const text = applied ?? DEFAULT_DOCUMENT;
    if (this.#known?.text === text) return this.#known;
    if (this.#refused?.text === text) throw this.#refused.error;
    try {
      const policies = this.#understand(text);
      this.#known = { text, digest: digestOf(text), isBuiltIn: applied === undefined, policies };
      return this.#known;
    } catch (error) {
      if (isUmbraError(error, 'STORE_DAMAGED')) this.#refused = { text, error };
      throw error;
    }
  }

  /** What a host is asked to bear; undefined if that can't be understood. */
  limitsOf(host: string): HostLimits | undefined {
    try {
      const { hosts } = this.document().policies;
      return Object.hasOwn(hosts, host) ? hosts[host] : {};
    } catch (error) {
      if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
      throw error;
    }
  }

  /** Those by which shadow copies may be deleted. @throws {UmbraError} STORE_DAMAGED also if newer ones were lost */
  documentToDeleteBy(): PolicyDocument {
    if (this.#store.settings.policiesInDoubt !== true) return this.document();
    throw new UmbraError('STORE_DAMAGED', 'the newest policies were damaged, so nothing is deleted by older ones', {
      hint: 'Look at "umbra policy show", then say with "umbra policy apply FILE" what is to hold.',
    });
  }

  /** The policy of a machine, and where it comes from. @throws {UmbraError} STORE_DAMAGED */
  async policyOf(machine: string): Promise<EffectivePolicy> {
    const [found] = await this.withHosts([machine]);
    return policyOf(this.document().policies, machine, found?.host);
  }

  /**
   * The minimum age of a shadow copy that is being made.
   * @param host that sends it, where it is not protected
   */
  async minimumAgeOf(machine: string, host: string | undefined): Promise<number> {
    const before = this.#store.catalog.latest(machine)?.minimumAgeMs ?? 0;
    try {
      const { policies } = this.document();
      const [found] = await this.withHosts([machine]);
      const { minimumAgeMs } = policyOf(policies, machine, found?.host ?? host).policy;
      // Where the policies that hold may be too old, it is protected no less than the one before.
      return this.#store.settings.policiesInDoubt === true ? Math.max(minimumAgeMs, before) : minimumAgeMs;
    } catch (error) {
      if (isUmbraError(error, 'STORE_DAMAGED')) return before;
      throw error;
    }
  }

  /** Machines that are protected or have shadow copies, sorted, with the hosts that run them. @throws {UmbraError} STORE_DAMAGED */
  async machines(): Promise<MachineOnHost[]> {
    const store = this.#store;
    const names = new Set([...store.catalog.machines(), ...store.settings.machines.map(({ name }) => name)]);
    return await this.withHosts([...names].toSorted());
  }

  /**
   * The hosts that run machines: that whose agent protects it, else that whose agent did, so that one that is protected no more stays in its
   * group, whoever makes shadow copies of it since. Where the settings have lost that, the one that sent its newest shadow copy.
   * @throws {UmbraError} STORE_DAMAGED
   */
  async withHosts(machines: readonly string[], settings = this.#store.settings): Promise<MachineOnHost[]> {
    const newest = machines.flatMap((machine) => this.#store.catalog.latest(machine) ?? []);
    const unknown = newest.filter((listing) => !this.#senders.has(listing));
    for (const { listing, summary } of await this.#store.summaries(unknown)) this.#senders.set(listing, summary.host);
    const senders = new Map(newest.map((listing) => [listing.machine, this.#senders.get(listing)]));
    const protectors = this.#protectorsOf(settings);
    return machines.map((machine) => {
      const host = protectors.get(machine) ?? senders.get(machine);
      return host === undefined ? { machine } : { machine, host };
    });
  }

  #protectorsOf(settings: Settings): ReadonlyMap<string, string> {
    const known = this.#protectors.get(settings);
    if (known !== undefined) return known;
    const hosts = new Map<string, string>();
    for (const { machine, host } of settings.formerHosts ?? []) hosts.set(machine, host);
    for (const { name, host } of settings.machines) hosts.set(name, host);
    this.#protectors.set(settings, hosts);
    return hosts;
  }

  /**
   * The settings `after`, in which it is remembered which minimum ages they make shorter: a change of policies, or of the host that protects
   * a machine, frees nothing that was stored before.
   * @param nowMs by the store's trusted time
   */
  async keepProtection(before: Settings, after: Settings, nowMs: number): Promise<Settings> {
    await this.prepare(after);
    const machines = before.policies === after.policies ? changedHosts(before, after) : this.#store.catalog.machines();
    if (machines.length === 0) return after;
    const is = await this.#minimums(after, machines);
    const shortened = [...(await this.#minimums(before, machines))]
      .filter(([machine, minimumAgeMs]) => minimumAgeMs > (is.get(machine) ?? 0))
      .map(([machine, minimumAgeMs]) => ({ machine, minimumAgeMs, untilMs: nowMs }));
    const { formerMinimums = [], ...settings } = after;
    const remembered = rememberMinimums(formerMinimums, shortened, nowMs);
    return remembered.length === 0 ? settings : { ...settings, formerMinimums: remembered };
  }

  /** The minimum age of those machines that have shadow copies; of policies that can't be understood, none. */
  async #minimums(settings: Settings, names: readonly string[]): Promise<Map<string, number>> {
    const policies = this.#policiesOf(settings);
    const stored = names.filter((name) => this.#store.catalog.latest(name) !== undefined);
    const machines = policies === undefined ? [] : await this.withHosts(stored, settings);
    return new Map(
      machines.flatMap(({ machine, host }) =>
        policies === undefined ? [] : [[machine, policyOf(policies, machine, host).policy.minimumAgeMs]],
      ),
    );
  }

  #policiesOf({ policies }: Settings): Policies | undefined {
    const text = policies ?? DEFAULT_DOCUMENT;
    if (this.#known?.text === text) return this.#known.policies;
    try {
      return this.#understand(text);
    } catch (error) {
      if (isUmbraError(error, 'STORE_DAMAGED')) return undefined;
      throw error;
    }
  }

  /**
   * Have other policies hold; durable when this resolves.
   * @param text checked already
   * @param ifDigest of those that they are to replace
   * @throws {UmbraError} POLICIES_CHANGED if other ones hold meanwhile; STORE_FULL, STORE_FAILED
   */
  async apply(text: string, ifDigest: string | undefined): Promise<void> {
    await this.#store.updateSettings(({ policiesInDoubt: _inDoubt, ...settings }) => {
      if (ifDigest !== undefined && digestOf(settings.policies ?? DEFAULT_DOCUMENT) !== ifDigest) {
        throw new UmbraError('POLICIES_CHANGED', 'the policies are no longer those that these were made from', {
          hint: 'Look at "umbra policy show", and do it again from there.',
        });
      }
      return { ...settings, policies: text };
    });
  }

  #understand(text: string): Policies {
    if (text === DEFAULT_DOCUMENT) return BUILT_IN_POLICIES;
    if (this.#parse === undefined)
      throw new UmbraError('INTERNAL', 'policies were asked for before they were prepared');
    try {
      return this.#parse(text, 'policies', this.#clock.now());
    } catch (cause) {
      if (!isUmbraError(cause)) throw cause;
      throw new UmbraError('STORE_DAMAGED', `the policies of the store cannot be understood: ${cause.message}`, {
        hint: 'Another version of Umbra may have written them; "umbra policy apply FILE" replaces them.',
        cause,
      });
    }
  }
}

/** The machines that another host protects then, or none does any more. */
function changedHosts(before: Settings, after: Settings): string[] {
  if (before.machines === after.machines) return [];
  const was = new Map(before.machines.map(({ name, host }) => [name, host]));
  const is = new Map(after.machines.map(({ name, host }) => [name, host]));
  return [...new Set([...was.keys(), ...is.keys()])].filter((name) => was.get(name) !== is.get(name));
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
