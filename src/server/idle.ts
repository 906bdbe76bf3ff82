import type { Clock } from '../common/clock.js';

/** Notices that nothing has happened for a while. */
export class IdleTimer {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #isNeeded: () => boolean;
  readonly #onIdle: () => void;
  #active = 0;
  #cancel: () => void = () => undefined;

  /**
   * @param idleMs Infinity for never
   * @param isNeeded asked when the time is up; when true, another `idleMs` are waited
   * @param onIdle called once nothing was active for `idleMs`
   */
  constructor(clock: Clock, idleMs: number, isNeeded: () => boolean, onIdle: () => void) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#isNeeded = isNeeded;
    this.#onIdle = onIdle;
    this.#arm();
  }

  /** Something is under way, until the returned function is called (again is harmless). */
  begin(): () => void {
    this.#active += 1;
    this.#cancel();
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#active -= 1;
      if (this.#active === 0) this.#arm();
    };
  }

  #arm(): void {
    this.#cancel();
    if (this.#idleMs === Infinity) return;
    this.#cancel = this.#clock.after(this.#idleMs, () => {
      if (this.#active > 0) return;
      if (this.#isNeeded()) this.#arm();
      else this.#onIdle();
    });
  }
}
