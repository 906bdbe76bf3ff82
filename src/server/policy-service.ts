import type { Clock } from '../common/clock.js';
import { loadPolicyParser } from '../policies/load-parser.js';
import type { Policies } from '../policies/policy.js';
import { policyOf } from '../policies/resolve-policy.js';
import type {
  ApplyPoliciesRequest,
  CheckPoliciesRequest,
  MachinePolicy,
  PoliciesMeaning,
  PoliciesResult,
  PreviewPoliciesRequest,
  PrunedShadowCopy,
  PruneRequest,
  PruneResult,
} from '../protocol/policies-api.js';
import type { Forget } from '../store/one-stays.js';
import type { Store } from '../store/store.js';
import type { MachineOnHost } from '../store/stored-policies.js';
import { prune } from './prune.js';

export interface PolicyServiceOptions {
  /** Asked for each time: it may be rebuilt. */
  readonly store: () => Store;
  readonly clock: Clock;
  readonly forget: Forget;
  /** Called when other policies hold. */
  readonly changed?: () => void;
}

export interface PruneJob {
  readonly signal: AbortSignal;
  readonly emit: (items: readonly PrunedShadowCopy[]) => Promise<void>;
}

/** What can be done with the policies of a store. */
export class PolicyService {
  readonly #options: PolicyServiceOptions;

  constructor(options: PolicyServiceOptions) {
    this.#options = options;
  }

  /** @throws {UmbraError} STORE_DAMAGED */
  async show(): Promise<PoliciesResult> {
    const { text, digest, isBuiltIn, policies } = this.#options.store().policies.document();
    const warnings = this.#options.store().settings.policiesInDoubt === true ? [IN_DOUBT] : [];
    const meaning = await this.#meaning(policies);
    return { ...meaning, warnings: [...warnings, ...meaning.warnings], text, digest, builtIn: isBuiltIn };
  }

  /** @throws {UmbraError} BAD_ARGUMENT with the line */
  async check(request: CheckPoliciesRequest): Promise<PoliciesMeaning> {
    return await this.#meaning(await this.parse(request));
  }

  /** @throws {UmbraError} BAD_ARGUMENT with the line, POLICIES_CHANGED, STORE_FULL, STORE_FAILED */
  async apply(request: ApplyPoliciesRequest): Promise<PoliciesResult> {
    await this.parse(request);
    await this.#options.store().policies.apply(request.text, request.ifDigest);
    this.#options.changed?.();
    return await this.show();
  }

  /** @throws {UmbraError} NOT_FOUND, STORE_*, CANCELLED */
  async prune({ machines, dryRun }: PruneRequest, job: PruneJob): Promise<PruneResult> {
    return await this.#prune(this.#options.store().policies.documentToDeleteBy().policies, machines, dryRun, job);
  }

  /** @throws {UmbraError} BAD_ARGUMENT with the line, NOT_FOUND, STORE_*, CANCELLED */
  async preview({ machines, ...document }: PreviewPoliciesRequest, job: PruneJob): Promise<PruneResult> {
    return await this.#prune(await this.parse(document), machines, true, job);
  }

  async #prune(
    policies: Policies,
    names: readonly string[] | undefined,
    dryRun: boolean,
    job: PruneJob,
  ): Promise<PruneResult> {
    const { store, clock, forget } = this.#options;
    const machines = await this.#withShadowCopies(names);
    const { signal, emit } = job;
    return await prune({ store: store(), policies, machines, dryRun, nowMs: clock.now(), signal, emit, forget });
  }

  /** What a document says. @throws {UmbraError} BAD_ARGUMENT with the line */
  async parse({ text, file = 'policies' }: CheckPoliciesRequest): Promise<Policies> {
    const { parsePolicies } = await loadPolicyParser();
    return parsePolicies(text, file, this.#options.clock.now());
  }

  /** @throws {UmbraError} NOT_FOUND */
  async #withShadowCopies(names: readonly string[] | undefined): Promise<MachineOnHost[]> {
    const { catalog } = this.#options.store();
    for (const name of names ?? []) catalog.find(name, 'latest');
    return await this.#options.store().policies.withHosts([...new Set(names ?? catalog.machines())]);
  }

  async #meaning(policies: Policies): Promise<PoliciesMeaning> {
    const machines = await this.#options.store().policies.machines();
    return {
      default: policies.default,
      policies: Object.entries(policies.policies).map(([name, policy]) => ({ name, ...policy })),
      machines: machines.map((machine) => describe(machine, policies)),
      warnings: strangers(policies, new Set(machines.map(({ machine }) => machine))),
    };
  }
}

const IN_DOUBT =
  'The newest policies were damaged; these are older ones. Nothing is deleted by them until "umbra policy apply FILE" says what holds.';

function describe({ machine, host }: MachineOnHost, policies: Policies): MachinePolicy {
  const { name, source } = policyOf(policies, machine, host);
  return {
    machine,
    ...(host === undefined ? {} : { host }),
    policy: name,
    source: source.kind,
    ...('name' in source ? { sourceName: source.name } : {}),
  };
}

/** A slip of the pen in a machine's name would else go unnoticed: it may be that the machine is yet to come. */
function strangers(policies: Policies, known: ReadonlySet<string>): string[] {
  const grouped = Object.entries(policies.groups).flatMap(([group, { machines }]) =>
    machines.map((machine) => [`groups.${group}`, machine] as const),
  );
  const own = Object.keys(policies.machines).map((machine) => ['machines', machine] as const);
  return [...grouped, ...own]
    .filter(([, machine]) => !known.has(machine))
    .map(([where, machine]) => `"${where}" has ${machine}: there is no such machine yet.`);
}
