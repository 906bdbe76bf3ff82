import { ok } from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

const MIB = 1024 * 1024;
/** Of a process that has been seen so often, it is judged whether it grows. */
const LEAST_SAMPLES = 6;
/** What it may grow by between the first and the last third of its life, besides a quarter of what it was. */
const GROWTH_BYTES = 48 * MIB;
const GROWTH_FILES = 24;
const MOST_FILES = 400;

interface Sample {
  readonly bytes: number;
  readonly files: number;
}

/** The memory and open files of processes, looked at whenever they are at rest. */
export class Meter {
  readonly #lives = new Map<string, Sample[]>();
  /** What was seen of each, for people. */
  readonly #last = new Map<string, string>();

  /** @param mostBytes of anonymous memory, at rest. @throws AssertionError if it is more, or grows from look to look */
  look(name: string, pid: number | undefined, mostBytes: number): void {
    if (pid === undefined) return;
    const life = `${name} ${pid}`;
    const samples = this.#lives.get(life) ?? [];
    const sample = sampleOf(pid);
    samples.push(sample);
    this.#lives.set(life, samples);
    this.#last.set(name, `${name} ${Math.round(sample.bytes / MIB)} MiB, ${sample.files} files`);
    ok(sample.bytes <= mostBytes, `${life} has ${sample.bytes} bytes at rest`);
    ok(sample.files <= MOST_FILES, `${life} has ${sample.files} files open at rest`);
    if (samples.length >= LEAST_SAMPLES) assertSteady(life, samples);
  }

  /** How it is, for people. */
  describe(): string {
    return [...this.#last.values()].join('; ');
  }

  /** How those that lived long went, for people. */
  trend(): string[] {
    return [...this.#lives]
      .filter(([, samples]) => samples.length > 1)
      .map(([life, samples]) => {
        return `${life}: ${samples.map(({ bytes, files }) => `${Math.round(bytes / MIB)}/${files}`).join(' ')}`;
      });
  }
}

/** The first look is left out: caches and compiled code come with use. */
function assertSteady(life: string, [, ...samples]: readonly Sample[]): void {
  const third = Math.floor(samples.length / 3);
  const [early, late] = [samples.slice(0, third + 1), samples.slice(-third - 1)];
  const [before, after] = [early, late].map((some) => median(some.map(({ bytes }) => bytes)));
  const [filesBefore, filesAfter] = [early, late].map((some) => median(some.map(({ files }) => files)));
  const all = JSON.stringify(samples);
  ok((after ?? 0) <= (before ?? 0) * 1.25 + GROWTH_BYTES, `${life} grows: ${all}`);
  ok((filesAfter ?? 0) <= (filesBefore ?? 0) + GROWTH_FILES, `${life} opens more and more files: ${all}`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function sampleOf(pid: number): Sample {
  const [, kilobytes = 'NaN'] = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return { bytes: Number(kilobytes) * 1024, files: readdirSync(`/proc/${pid}/fd`).length };
}
