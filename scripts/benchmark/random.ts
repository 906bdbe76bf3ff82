/** Numbers that only depend on the seed, so that every run changes and reads the same bytes. */
export class SeededRandom {
  #state: number;

  /** `seed` is taken modulo 2^32. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to 2^32 - 1 (a Weyl sequence through MurmurHash3's 32-bit finalizer). */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let hash = this.#state;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  /** A whole number from 0 to `limit - 1`; `limit` from 1 to 2^32. */
  below(limit: number): number {
    return Math.floor((this.next() / 2 ** 32) * limit);
  }

  /** `length` bytes that do not compress. */
  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let index = 0; index < words.length; index += 1) words[index] = this.next();
    return Buffer.from(words.buffer, 0, length);
  }

  /** About `length` bytes of log lines, which compress like real ones; always ends with a line. */
  logLines(length: number): string {
    const lines: string[] = [];
    for (let size = 0; size < length;) {
      const id = this.next().toString(16).padStart(8, '0');
      const line = `${WEEK_MS + this.below(86_400_000)} ${WORDS[this.below(WORDS.length)] ?? ''}[${this.below(32768)}]: request ${id} took ${this.below(9000)} us\n`;
      lines.push(line);
      size += line.length;
    }
    return lines.join('');
  }
}

const WEEK_MS = 604_800_000;
const WORDS = ['kernel', 'nginx', 'sshd', 'cron', 'systemd', 'postgres', 'rsyslogd', 'backup'];
