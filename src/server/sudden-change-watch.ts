import type { Alerts } from '../alerts/alert.js';
import { isUmbraError, messageOf } from '../common/errors.js';
import type { Log } from '../common/log.js';
import type { HeldMachine } from '../protocol/changes-api.js';
import { byteText } from '../common/byte-text.js';

/** All machines with shadow copies, and those of which nothing is deleted. */
export interface ChangesLook {
  readonly machines: readonly string[];
  readonly held: readonly HeldMachine[];
}

export interface SuddenChangeWatchOptions {
  /** @throws {UmbraError} STORE_IN_USE while the store is rebuilt */
  readonly look: () => Promise<ChangesLook>;
  readonly alerts: Alerts;
  readonly log: Log;
}

/**
 * Has people told when too much of a machine's data has changed, until somebody has acknowledged that. It goes by what the store holds: what a
 * server that was killed had no time to tell, the next one does.
 */
export class SuddenChangeWatch {
  readonly #options: SuddenChangeWatchOptions;
  #told = new Set<string>();
  #last: Promise<void> = Promise.resolve();

  constructor(options: SuddenChangeWatchOptions) {
    this.#options = options;
  }

  /** Something has happened that may matter: a shadow copy was made, or a change acknowledged. */
  look(): void {
    this.#last = this.#last.then(() => this.#look());
  }

  async #look(): Promise<void> {
    const { alerts, log } = this.#options;
    try {
      const { machines, held } = await this.#options.look();
      for (const machine of held) alerts.begin(alertOf(machine));
      const names = new Set(held.map(({ machine }) => machine));
      for (const machine of new Set([...machines, ...this.#told])) {
        if (!names.has(machine))
          alerts.end('sudden-change', machine, `nothing older of ${machine} is kept for a sudden change any more`);
      }
      this.#told = names;
    } catch (error) {
      if (!isUmbraError(error, 'STORE_IN_USE'))
        log.warn('sudden changes are not looked at', { error: messageOf(error) });
    }
  }
}

function alertOf(held: HeldMachine): Parameters<Alerts['begin']>[0] {
  const { machine, shadowCopy } = held;
  return {
    kind: 'sudden-change',
    subject: machine,
    severity: 'critical',
    text: `${changeText(held)}; ${machine}@${shadowCopy} and what is older is not deleted.`,
    advice: `Look whether the files of ${machine} are as they should be ("umbra diff --files"); if they are, run "umbra acknowledge ${machine}".`,
    facts: { ...held },
  };
}

/** What is so, in words. */
export function changeText({ machine, shadowCopy, kind, bytes, usualBytes, volume }: HeldMachine): string {
  const what = kind === 'changed' ? 'changed' : 'changed and does not compress';
  return `${byteText(bytes)} of ${machine} ${what} with ${shadowCopy}, most of it in ${volume}, where ${byteText(usualBytes)} are usual`;
}
