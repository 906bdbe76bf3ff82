import { equal, ok } from 'node:assert/strict';
import type { Version } from '../model.js';
import type { Digested } from './mounts.js';
import type { Tally } from './tally.js';

/** A shadow copy that was listed, or that somebody was told of. */
interface Known {
  /** The digests of its volumes, and how each was found out first. */
  readonly volumes: Map<string, { readonly digest: string; readonly how: string }>;
  /** The earliest moment at which it may be deleted, as the policies were that held when it was first seen. */
  readonly keptUntilMs: number;
  isGone: boolean;
}

/** What is known of the moment at which a list was asked for. */
interface Listing {
  readonly nowMs: number;
  /** For how long, from the moment that they show, no policy of this time lets new ones be deleted. */
  readonly minimumAgeMs: number;
  /** See {@link Ledger.inTurn}. */
  readonly acknowledged: ReadonlyMap<string, string>;
}

/** What all shadow copies of a run hold: whoever reads one says so here, and all must say the same. */
export class Ledger {
  readonly #known = new Map<Version, Known>();
  /** The newest one of each machine that somebody was told of, which is then durable. */
  readonly #acknowledged = new Map<string, string>();
  readonly #tally: Tally;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param tally - told of what is compared */
  constructor(tally: Tally) {
    this.#tally = tally;
  }

  /**
   * Ask what is listed, after whoever asks already: two answers are not judged in another order than that in which they were given.
   * @param ask told of the newest ones that were acknowledged before it asks, which its answer must have
   */
  async inTurn<T>(ask: (acknowledged: ReadonlyMap<string, string>) => Promise<T>): Promise<T> {
    const answer = this.#turn.then(() => ask(new Map(this.#acknowledged)));
    this.#turn = answer.catch(() => undefined);
    return await answer;
  }

  /**
   * What is listed at a moment. What has gone stays so, and was old enough.
   * @returns those that were not known before
   * @throws AssertionError
   */
  listed(versions: ReadonlyMap<Version, number>, { nowMs, minimumAgeMs, acknowledged }: Listing): Version[] {
    const added: Version[] = [];
    for (const [version, timeMs] of versions) {
      const known = this.#known.get(version);
      ok(known?.isGone !== true, `${version} was deleted, and is listed again`);
      if (known === undefined) {
        added.push(version);
        this.#known.set(version, { volumes: new Map(), keptUntilMs: timeMs + minimumAgeMs, isGone: false });
      }
    }
    for (const [version, known] of this.#known) {
      if (known.isGone || versions.has(version)) continue;
      ok(nowMs >= known.keptUntilMs, `${version} was deleted before its minimum age`);
      known.isGone = true;
    }
    for (const [machine, newest] of acknowledged) {
      const isThere = [...versions.keys()].some((version) => {
        const [of, name = ''] = version.split('@');
        return of === machine && name >= newest;
      });
      ok(isThere, `${machine}@${newest} was acknowledged, and neither it nor a newer one is listed`);
    }
    return added;
  }

  /** Somebody was told that there is this shadow copy. */
  acknowledged(machine: string, name: string): void {
    const newest = this.#acknowledged.get(machine) ?? '';
    if (name > newest) this.#acknowledged.set(machine, name);
  }

  /** A volume was read. @throws AssertionError if it was other bytes before */
  read(version: Version, volume: string, { digest, bytes }: Digested, how: string): void {
    this.#tally.add('comparisons', how, bytes);
    const volumes = this.#known.get(version)?.volumes;
    const before = volumes?.get(volume);
    if (before === undefined) volumes?.set(volume, { digest, how });
    else equal(digest, before.digest, `${volume} of ${version}: ${how} gives other bytes than ${before.how}`);
  }

  /** Those that are listed, as far as it is known. */
  versions(): Version[] {
    return [...this.#known].filter(([, { isGone }]) => !isGone).map(([version]) => version);
  }

  isGone(version: Version): boolean {
    return this.#known.get(version)?.isGone === true;
  }
}
