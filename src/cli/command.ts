import type { Options, PositionalOptions } from 'yargs';
import type { ExitCodeName } from '../common/exit-codes.js';
import type { Args } from './args.js';
import type { Session } from './session.js';

/** One command of `umbra`, in a file of its own in commands/. */
export interface Command {
  /** Its positional arguments, as yargs wants them: `<MACHINE> [IMAGE..]`. */
  readonly usage: string;
  /** Its arguments, as people read them: `MACHINE IMAGE... [--reread]`. */
  readonly synopsis: string;
  /** What it does, in a few sentences, for `--help`. */
  readonly description: string;
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Where to go next, for the end of `--help`. */
  readonly next: string;
  /** Its positional arguments by name, each as `usage` has it, with what it means. */
  readonly positionals: Readonly<Record<string, PositionalOptions>>;
  /** Its own options; `--store` and `--json` are there already. */
  readonly options: Readonly<Record<string, Options>>;
  /** @returns the exit code of a command that came to its end */
  readonly run: (args: Args, session: Session) => Promise<ExitCodeName>;
}

/** A positional argument of one word. */
export function word(describe: string): PositionalOptions {
  return { type: 'string', describe };
}

/** A positional argument of any number of words. */
export function words(describe: string): PositionalOptions {
  return { type: 'string', array: true, describe };
}

/** An option that takes one value. */
export function textOption(describe: string): Options {
  return { type: 'string', describe, requiresArg: true };
}

/** An option that takes a value and can be given many times. */
export function textsOption(describe: string): Options {
  return { type: 'string', array: true, describe, requiresArg: true };
}

/** @param letter a short form of one letter */
export function flagOption(describe: string, letter?: string): Options {
  return { type: 'boolean', describe, ...(letter === undefined ? {} : { alias: letter }) };
}
