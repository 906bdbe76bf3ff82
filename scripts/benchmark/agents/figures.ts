import { median } from '../statistics.js';
import { formatFigure, formatTable } from '../table.js';

/** A figure's title, with its unit. */
type Figure = string;

/** What was measured, of one part of the benchmark: for each figure and each contender all samples. */
export class Figures {
  readonly title: string;
  readonly #samples = new Map<Figure, Map<string, number[]>>();
  readonly #notes: string[] = [];

  constructor(title: string) {
    this.title = title;
  }

  add(figure: Figure, contender: string, value: number): void {
    const row = this.#samples.get(figure) ?? new Map<string, number[]>();
    this.#samples.set(figure, row);
    row.set(contender, [...(row.get(contender) ?? []), value]);
  }

  /** The median of what was measured so far; undefined if nothing was. */
  median(figure: Figure, contender: string): number | undefined {
    return median(this.#samples.get(figure)?.get(contender) ?? []);
  }

  /** Say what has to be known of the figures. */
  note(text: string): void {
    this.#notes.push(text);
  }

  /** A table of medians, and the notes. */
  format(): string {
    const contenders = [...new Set([...this.#samples.values()].flatMap((row) => [...row.keys()]))];
    const rows = [...this.#samples.keys()].map((figure) => [
      figure,
      ...contenders.map((contender) => formatFigure(this.median(figure, contender))),
    ]);
    const notes = this.#notes.map((note) => `  ${note}\n`);
    return `${formatTable([[this.title, ...contenders], ...rows])}${notes.join('')}`;
  }

  /** All samples, for `--json`. */
  toJSON(): object {
    const rows = [...this.#samples].map(([figure, row]) => [figure, Object.fromEntries(row)] as const);
    return { title: this.title, figures: Object.fromEntries(rows), notes: this.#notes };
  }
}
