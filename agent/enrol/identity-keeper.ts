import type { Clock } from '../../src/common/clock.js';
import { isUmbraError, messageOf } from '../../src/common/errors.js';
import type { Log } from '../../src/common/log.js';
import { renewalTimeMs, renewIdentity, type AgentIdentity } from './agent-identity.js';

/** Tries that failed come again after so long. */
const RETRY_MS = 300_000;
/** Timers can't be set for more than 24 days. */
const MOST_MS = 86_400_000;

export interface IdentityKeeperOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with each new identity: connections made from then on show it. */
  readonly renewed: (identity: AgentIdentity) => void;
  /** Called, once, when the server knows this agent no longer: nothing helps but enrolling again. */
  readonly revoked: () => void;
}

/** Renews an agent's certificate as long as the agent runs. */
export class IdentityKeeper {
  readonly #options: IdentityKeeperOptions;
  #identity: AgentIdentity;
  #cancel: (() => void) | undefined;
  #isClosed = false;

  constructor(identity: AgentIdentity, options: IdentityKeeperOptions) {
    this.#options = options;
    this.#identity = identity;
    this.#arm(renewalTimeMs(identity) - options.clock.now());
  }

  get identity(): AgentIdentity {
    return this.#identity;
  }

  /** No more renewals. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  #arm(delayMs: number): void {
    if (this.#isClosed) return;
    this.#cancel = this.#options.clock.after(Math.min(Math.max(0, delayMs), MOST_MS), () => void this.#check());
  }

  async #check(): Promise<void> {
    const { directory, clock, log, renewed, revoked } = this.#options;
    const dueInMs = renewalTimeMs(this.#identity) - clock.now();
    if (dueInMs > 0) {
      this.#arm(dueInMs);
      return;
    }
    try {
      this.#identity = await renewIdentity(this.#identity, directory, clock);
      log.info('certificate renewed', { expires: new Date(this.#identity.expiresMs).toISOString() });
      renewed(this.#identity);
      this.#arm(renewalTimeMs(this.#identity) - clock.now());
    } catch (error) {
      log.error('certificate not renewed', { error: messageOf(error) });
      if (isUmbraError(error, 'UNAUTHENTICATED')) revoked();
      else this.#arm(RETRY_MS);
    }
  }
}
