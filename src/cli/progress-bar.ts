import type { Clock } from '../common/clock.js';
import type { Progress } from '../protocol/api.js';
import type { Output } from './environment.js';
import { formatBytes, formatSeconds } from './format.js';

/** The rate is that of about this long a time, so that it follows what happens and is still readable. */
const RATE_OVER_MS = 5_000;
const MAX_BAR = 30;
const CLEAR_LINE = '\r\u001b[K';

/** A line on a terminal that says how far a long operation is; on anything else it shows nothing. */
export class ProgressBar {
  readonly #output: Output;
  readonly #clock: Clock;
  #shown = false;
  #what = '';
  #samples: { readonly atMs: number; readonly bytes: number }[] = [];

  constructor(output: Output, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
  }

  show(progress: Progress): void {
    const columns = this.#output.terminalColumns();
    if (columns === undefined) return;
    if (progress.what !== this.#what) this.#samples = [];
    this.#what = progress.what;
    this.#output.write(`${CLEAR_LINE}${progressLine(progress, this.#rate(progress.doneBytes), columns - 1)}`);
    this.#shown = true;
  }

  /** Make room for other output. */
  clear(): void {
    if (this.#shown) this.#output.write(CLEAR_LINE);
    this.#shown = false;
  }

  /** Bytes a second; 0 when it is not known. */
  #rate(doneBytes: number): number {
    const nowMs = this.#clock.monotonic();
    this.#samples.push({ atMs: nowMs, bytes: doneBytes });
    while (this.#samples.length > 2 && (this.#samples[0]?.atMs ?? nowMs) < nowMs - RATE_OVER_MS) this.#samples.shift();
    const first = this.#samples[0];
    if (first === undefined || nowMs - first.atMs < 1) return 0;
    return Math.max(0, ((doneBytes - first.bytes) * 1000) / (nowMs - first.atMs));
  }
}

/** One line of at most `width` characters; what matters least goes first where there is no room. */
export function progressLine({ what, doneBytes, totalBytes }: Progress, rate: number, width: number): string {
  const speed = rate > 0 ? `${formatBytes(Math.round(rate))}/s` : '';
  if (totalBytes === undefined || totalBytes <= 0) {
    return [what, doneBytes > 0 ? formatBytes(doneBytes) : '', speed]
      .filter((part) => part !== '')
      .join('  ')
      .slice(0, width);
  }
  const part = Math.min(1, doneBytes / totalBytes);
  const amount = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`;
  const eta = rate > 0 && part < 1 ? `${formatSeconds((totalBytes - doneBytes) / rate)} left` : '';
  const percent = `${String(Math.floor(part * 100)).padStart(3)} %`;
  const text = [percent, amount, speed, eta].filter((piece) => piece !== '').join('  ');
  const room = Math.min(MAX_BAR, width - what.length - text.length - 6);
  if (room < 5) return `${what}  ${text}`.slice(0, width);
  const full = Math.round(part * room);
  return `${what}  [${'#'.repeat(full)}${'-'.repeat(room - full)}]  ${text}`;
}
