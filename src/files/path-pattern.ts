import { UmbraError } from '../common/errors.js';
import { NamePattern } from './name-pattern.js';

/** How far a path has come in a pattern: positions in its alternatives. Nothing below can match when it is empty. */
export type PatternState = readonly number[];

/** `{a,b}` makes alternatives, and several of them all their combinations: no more than this. */
const MAX_ALTERNATIVES = 64;

/** Stands for any number of directories, none among them. */
export const ANY_DEPTH = '**';

type Part = NamePattern | typeof ANY_DEPTH;

/**
 * A pattern for paths of guests, walked name by name, so that a directory below which nothing can match is not read.
 * Without a slash it is for a name at any depth. With one it is for the path from the top, `/vda1/etc/*.conf`, or from
 * any directory if it does not begin with a slash; `**` takes any number of directories. `{a,b}` takes either.
 */
export class PathPattern {
  /** All alternatives, one behind the other, each with an end. */
  readonly #parts: readonly (Part | undefined)[];
  readonly #starts: readonly number[];

  /** @throws {UmbraError} BAD_ARGUMENT */
  constructor(glob: string, { ignoreCase = false }: { readonly ignoreCase?: boolean } = {}) {
    const parts: (Part | undefined)[] = [];
    const starts: number[] = [];
    for (const alternative of expandBraces(glob)) {
      starts.push(parts.length);
      parts.push(...partsOf(alternative, ignoreCase), undefined);
    }
    this.#parts = parts;
    this.#starts = starts;
  }

  /** The state at the top, before any name. */
  get start(): PatternState {
    return this.#closed(this.#starts);
  }

  /** The state behind one more name. */
  step(state: PatternState, name: string): PatternState {
    const next: number[] = [];
    for (const position of state) {
      const part = this.#parts[position];
      if (part === ANY_DEPTH) next.push(position);
      else if (part?.matches(name) === true) next.push(position + 1);
    }
    return this.#closed(next);
  }

  /** True if a path that came to this state matches. */
  accepts(state: PatternState): boolean {
    return state.some((position) => this.#parts[position] === undefined);
  }

  /** True if something below a path that came to this state may match. */
  canGoOn(state: PatternState): boolean {
    return state.some((position) => this.#parts[position] !== undefined);
  }

  /** With the positions that are reached because `**` takes nothing. */
  #closed(positions: readonly number[]): PatternState {
    const all = new Set<number>();
    for (let position of positions) {
      for (all.add(position); this.#parts[position] === ANY_DEPTH; all.add(position)) position++;
    }
    return [...all];
  }
}

function partsOf(pattern: string, ignoreCase: boolean): Part[] {
  const names = pattern.split('/').filter((name, index, all) => name !== '' || index === all.length - 1);
  // A slash at the end says that a directory is meant; so is every match of what stands before it.
  if (names.at(-1) === '') names.pop();
  const parts = names.map((name) => (name === ANY_DEPTH ? ANY_DEPTH : new NamePattern(name, ignoreCase)));
  return pattern.startsWith('/') ? parts : [ANY_DEPTH, ...parts];
}

/** The alternatives that the braces of a pattern make; braces without a comma stand for themselves. */
function expandBraces(pattern: string): string[] {
  const pending = [pattern];
  const done: string[] = [];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const braces = firstBraces(next);
    if (braces === undefined) done.push(next);
    else {
      const { start, end, choices } = braces;
      for (const choice of choices) pending.push(next.slice(0, start) + choice + next.slice(end + 1));
    }
    if (pending.length + done.length > MAX_ALTERNATIVES) {
      throw new UmbraError('BAD_ARGUMENT', `the pattern ${pattern} has more than ${MAX_ALTERNATIVES} alternatives`, {
        hint: 'Search for fewer at once.',
      });
    }
  }
  return done;
}

/** The first innermost braces with a comma in them. */
function firstBraces(
  pattern: string,
): { readonly start: number; readonly end: number; readonly choices: readonly string[] } | undefined {
  let start = -1;
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === '\\') at++;
    else if (character === '{') start = at;
    else if (character === '}' && start >= 0) {
      const choices = pattern.slice(start + 1, at).split(',');
      if (choices.length > 1) return { start, end: at, choices };
      start = -1;
    }
  }
  return undefined;
}
