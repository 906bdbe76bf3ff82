/** As many of a host as its limits say nothing of, and of all hosts. */
const USUAL_OF_HOST = 2;
const MOST_AT_ONCE = 8;

/** The jobs that run since they are due, and when there was room for no more of them. */
export class Load {
  readonly #hosts = new Map<string, string>();
  readonly #fullMs = new Map<string, number>();
  #allFullMs = -Infinity;
  readonly #mostOf: (host: string) => number | undefined;

  /** @param mostOf how many a host bears, if that was said */
  constructor(mostOf: (host: string) => number | undefined) {
    this.#mostOf = mostOf;
  }

  begin(machine: string, host: string): void {
    this.#hosts.set(machine, host);
  }

  end(machine: string, nowMs: number): void {
    const host = this.#hosts.get(machine);
    if (host === undefined) return;
    if (this.of(host) >= this.mostOf(host)) this.#fullMs.set(host, nowMs);
    if (this.all >= MOST_AT_ONCE) this.#allFullMs = nowMs;
    this.#hosts.delete(machine);
  }

  /** The server counts on nothing that a host is at, which it has not heard of for long. */
  lose(host: string, nowMs: number): void {
    for (const [machine, other] of this.#hosts) if (other === host) this.end(machine, nowMs);
  }

  of(host: string): number {
    return [...this.#hosts.values()].filter((other) => other === host).length;
  }

  get all(): number {
    return this.#hosts.size;
  }

  mostOf(host: string): number {
    return this.#mostOf(host) ?? USUAL_OF_HOST;
  }

  /** One more of this host is within the limits. */
  hasRoom(host: string): boolean {
    return this.of(host) < this.mostOf(host) && this.all < MOST_AT_ONCE;
  }

  /** When there was no room for one more of this host the last time. */
  fullMs(host: string, nowMs: number): number {
    return this.hasRoom(host) ? Math.max(this.#allFullMs, this.#fullMs.get(host) ?? -Infinity) : nowMs;
  }
}
