import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

/** Follows a guest of `getCountingGuest` by what it says, and by what is on its disk. */
export class CountingGuest {
  readonly #serial: string;

  /** @param serial - the file that its serial line goes to */
  constructor(serial: string) {
    this.#serial = serial;
  }

  /** The last number that it said. */
  counted(): number {
    const said = existsSync(this.#serial) ? readFileSync(this.#serial, 'utf8') : '';
    return Number(/.*guest: count (\d+)\r?\n/s.exec(said)?.[1] ?? 0);
  }

  /** Wait until it has counted on. */
  async countOn(more: number): Promise<void> {
    const until = this.counted() + more;
    while (this.counted() < until) await setTimeout(20);
  }
}

/** The number that is on its disk. @param file - its content is put there, where e2fsck may look at it afterwards */
export function countIn(content: Buffer, file: string): number {
  writeFileSync(file, content);
  return Number(
    execFileSync('debugfs', ['-R', 'cat count', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  );
}

/** True if the journal would have to be replayed: a bit that the kernel takes away when it freezes the file system. */
export function needsRecovery(volume: Buffer): boolean {
  return (volume.readUInt32LE(1024 + 0x60) & 4) !== 0;
}
