import { after, type Eventually } from '../src/common/eventually.js';
import { UmbraError } from '../src/common/errors.js';
import type { Share } from '../src/common/share-names.js';
import { isMachineName, isShadowCopyName } from '../src/common/names.js';
import type { ShadowCopySource, ShadowCopySummary } from './source.js';

/** What part of a store a tree shows. */
export interface TreeScope {
  readonly machine: string;
  /** One shadow copy's name; all of the machine when absent. */
  readonly version?: string;
}

/** The shadow copies of a machine that the tree shows. */
export interface VersionIndex {
  readonly list: readonly ShadowCopySummary[];
  readonly byName: ReadonlyMap<string, ShadowCopySummary>;
  /** What `latest` points at; undefined when the tree does not show it. */
  readonly latest: ShadowCopySummary | undefined;
}

interface Known {
  readonly from: readonly ShadowCopySummary[];
  readonly index: VersionIndex;
}

/**
 * Which machines and shadow copies there are. Asks the source every time, so that nothing here is
 * ever out of date; only the index by name is kept, for as long as the source gives the same array.
 */
export class Listing {
  readonly #source: ShadowCopySource;
  readonly #scope: TreeScope | undefined;
  readonly #onForgotten: (machine: string, version: string) => void;
  readonly #known = new Map<string, Known>();

  /** `onForgotten` is told of each shadow copy that was listed and no longer is. */
  constructor(
    source: ShadowCopySource,
    scope: TreeScope | undefined,
    onForgotten: (machine: string, version: string) => void,
  ) {
    this.#source = source;
    this.#scope = scope;
    this.#onForgotten = onForgotten;
  }

  /** Names of the machines that have a shadow copy in this tree. */
  async machines(): Promise<readonly string[]> {
    if (this.#scope === undefined) return await this.#source.machines();
    const { list } = await this.versions(this.#scope.machine);
    return list.length === 0 ? [] : [this.#scope.machine];
  }

  /** The shares of the machines in this tree. */
  shares(): Promise<readonly Share[]> {
    const shares = this.#source.shares?.() ?? [];
    const scope = this.#scope;
    return Promise.resolve(scope === undefined ? shares : shares.filter(({ machine }) => machine === scope.machine));
  }

  /** An empty index when there is no such machine. */
  versions(machine: string): Eventually<VersionIndex> {
    if (this.#scope !== undefined && this.#scope.machine !== machine) return EMPTY;
    // A name that was good stays good.
    if (!this.#known.has(machine) && !isMachineName(machine)) return EMPTY;
    return after(this.#source.shadowCopies(machine), (from) => {
      const known = this.#known.get(machine);
      return known?.from === from ? known.index : this.#index(machine, from, known);
    });
  }

  #index(machine: string, from: readonly ShadowCopySummary[], known: Known | undefined): VersionIndex {
    const index = buildIndex(from, this.#scope?.version);
    if (index.list.length === 0) this.#known.delete(machine);
    else this.#known.set(machine, { from, index });
    this.#reportForgotten(machine, known, index);
    return index;
  }

  #reportForgotten(machine: string, known: Known | undefined, now: VersionIndex): void {
    for (const name of known?.index.byName.keys() ?? []) {
      if (!now.byName.has(name)) this.#onForgotten(machine, name);
    }
  }
}

const EMPTY: VersionIndex = { list: [], byName: new Map(), latest: undefined };

function buildIndex(all: readonly ShadowCopySummary[], only: string | undefined): VersionIndex {
  const last = all.at(-1);
  const list = all.filter(({ name }) => (only === undefined || name === only) && isShadowCopyName(name));
  const byName = new Map(list.map((summary) => [summary.name, summary]));
  return { list, byName, latest: last === undefined ? undefined : byName.get(last.name) };
}

/**
 * The scope that a mount of `machine` and `version` has; `latest` is the one that is the latest now.
 * @throws {UmbraError} NOT_FOUND when there is nothing to show, BAD_ARGUMENT for a version without a machine
 */
export async function resolveScope(
  source: ShadowCopySource,
  machine: string | undefined,
  version: string | undefined,
): Promise<TreeScope | undefined> {
  if (machine === undefined) {
    if (version === undefined) return undefined;
    throw new UmbraError('BAD_ARGUMENT', `the shadow copy ${version} needs a machine`);
  }
  const { list, latest } = await new Listing(source, { machine }, () => undefined).versions(machine);
  if (list.length === 0) throw new UmbraError('NOT_FOUND', `there is no machine "${machine}" with shadow copies`);
  if (version === undefined) return { machine };
  const found = version === 'latest' ? latest : list.find(({ name }) => name === version);
  if (found === undefined) {
    const hint = `A replica is in no mount: "umbra backup ${machine} --from-replica" makes a shadow copy of it.`;
    throw new UmbraError(
      'NOT_FOUND',
      `there is no shadow copy ${machine}@${version}`,
      version === 'replica' ? { hint } : {},
    );
  }
  return { machine, version: found.name };
}
