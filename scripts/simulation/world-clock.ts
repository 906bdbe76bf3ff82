import type { Clock } from '../../src/common/clock.js';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
  isOver: boolean;
}

/**
 * The time of a simulated world. It passes only when the next thing is let happen. What clocks show of it is another matter: they can be
 * set.
 */
export class WorldClock {
  /** How long the world has been going on. */
  passedMs = 0;
  /** What wall clocks show is ahead of the time that passed by this. */
  #aheadMs: number;
  readonly #heap: Timer[] = [];
  #order = 0;

  /** @param startMs what wall clocks show when it begins */
  constructor(startMs: number) {
    this.#aheadMs = startMs;
  }

  /** What wall clocks show. */
  get wallMs(): number {
    return this.passedMs + this.#aheadMs;
  }

  /** Set the wall clocks forth, or back. */
  set(byMs: number): void {
    this.#aheadMs += byMs;
  }

  /** @returns what takes it back */
  after(delayMs: number, callback: () => void): () => void {
    const timer = {
      atMs: this.passedMs + Math.max(0, Math.ceil(delayMs)),
      order: (this.#order += 1),
      callback,
      isOver: false,
    };
    this.#push(timer);
    return () => {
      timer.isOver = true;
    };
  }

  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Let the next thing happen, if there is one until then. @returns false if there is none */
  next(untilMs: number): boolean {
    for (let timer = this.#heap[0]; timer !== undefined && timer.atMs <= untilMs; timer = this.#heap[0]) {
      this.#pop();
      if (timer.isOver) continue;
      timer.isOver = true;
      this.passedMs = Math.max(this.passedMs, timer.atMs);
      timer.callback();
      return true;
    }
    return false;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, timer)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const right = heap[child + 1];
      let least = heap[child];
      if (least === undefined) break;
      if (right !== undefined && isBefore(right, least)) {
        child += 1;
        least = right;
      }
      if (isBefore(last, least)) break;
      heap[index] = least;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** The world's time as a process of a server has it: its timers end with it. @param shortestMs timers take so long at least */
export function clockOf(world: WorldClock, isAlive: () => boolean, shortestMs = 0): Clock {
  return {
    now: () => world.wallMs,
    monotonic: () => world.passedMs,
    after: (delayMs, callback) =>
      world.after(Math.max(delayMs, shortestMs), () => {
        if (isAlive()) callback();
      }),
  };
}
