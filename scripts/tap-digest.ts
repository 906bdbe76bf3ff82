import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const RESULT = /^(ok|not ok) \d+ - /;
const COVERAGE_ROW = /(\|[^|]*){5}/;
const NOISE = /^(TAP version \d+|\d+\.\.\d+|\s*|# Subtest: .*)$/;

/**
 * Shortens the TAP output of a run for reading: one line for each test file that passed, everything
 * that a failed one said, and what stands between files (the table of coverage).
 */
export class TapDigest {
  #file: string[] = [];
  readonly #print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** Take the next line of output, without its line feed. */
  line(text: string): void {
    const result = RESULT.exec(text)?.[1];
    if (result !== undefined) {
      if (result === 'not ok') this.end();
      this.#file = [];
      this.#print(text);
    } else if (text.startsWith(' ') && !COVERAGE_ROW.test(text)) {
      this.#file.push(text);
    } else if (!NOISE.test(text)) {
      this.#print(text);
    }
  }

  /** Print what a file said whose result is not, or not yet, known. */
  end(): void {
    for (const line of this.#file) this.#print(line);
    this.#file = [];
  }
}

/** Reads a run from standard input. */
async function main(): Promise<void> {
  const digest = new TapDigest((line) => {
    console.log(line);
  });
  for await (const line of createInterface({ input: process.stdin })) digest.line(line);
  digest.end();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
