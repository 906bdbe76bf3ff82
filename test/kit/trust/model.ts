import { deepEqual, ok } from 'node:assert/strict';
import type { Content } from './machine.js';

/** `MACHINE@NAME` of a shadow copy. */
export type Version = string;

interface Attempt {
  readonly machine: string;
  readonly content: Content;
}

/**
 * What must be in a store, whatever was killed: what was acknowledged is there, what was acknowledged as
 * forgotten is not, and of a command that was cut off either all or nothing.
 */
export class Model {
  readonly #listed = new Map<Version, Content>();
  /** Asked to be forgotten, and never told whether they are. */
  readonly #doubtful = new Set<Version>();
  /** Backups that were not acknowledged: each may have been listed, once. */
  #attempts: Attempt[] = [];

  /** What is certainly listed. */
  versions(): Version[] {
    return [...this.#listed.keys()].filter((version) => !this.#doubtful.has(version));
  }

  content(version: Version): Content | undefined {
    return this.#listed.get(version);
  }

  acknowledged(version: Version, content: Content): void {
    this.#listed.set(version, content);
  }

  brokenOff(machine: string, content: Content): void {
    this.#attempts.push({ machine, content });
  }

  forgotten(version: Version): void {
    this.#listed.delete(version);
    this.#doubtful.delete(version);
  }

  maybeForgotten(version: Version): void {
    this.#doubtful.add(version);
  }

  /**
   * Compare with what a store lists and holds; what was in doubt is certain from then on.
   * @throws AssertionError
   */
  settle(found: ReadonlyMap<Version, Content>): void {
    for (const [version, content] of this.#listed) {
      const held = found.get(version);
      if (held === undefined) {
        ok(this.#doubtful.has(version), `${version} was acknowledged and is not listed`);
        this.#listed.delete(version);
      } else {
        deepEqual(held, content, `${version} holds other bytes than were backed up`);
      }
    }
    for (const [version, content] of found) this.#adopt(version, content);
    this.#doubtful.clear();
    this.#attempts = [];
  }

  /** What nobody acknowledged may be listed if it is whole. */
  #adopt(version: Version, content: Content): void {
    if (this.#listed.has(version)) return;
    const machine = version.slice(0, version.indexOf('@'));
    const index = this.#attempts.findIndex(
      (attempt) => attempt.machine === machine && JSON.stringify(attempt.content) === JSON.stringify(content),
    );
    ok(index >= 0, `${version} is listed and was never backed up, was forgotten, or is half-made`);
    this.#attempts.splice(index, 1);
    this.#listed.set(version, content);
  }
}
