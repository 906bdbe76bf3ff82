import { resolve } from 'node:path';
import { UmbraError } from '../common/errors.js';

/** What the command line gave, after yargs: option and positional names to values. */
export type RawArgs = Readonly<Record<string, unknown>>;

/** The arguments of a command, with their types. An option that was given twice and takes one value is refused. */
export class Args {
  readonly #raw: RawArgs;
  readonly #directory: string;

  /** @param directory what relative paths are relative to; the server has another working directory */
  constructor(raw: RawArgs, directory: string) {
    this.#raw = raw;
    this.#directory = directory;
  }

  /** @throws {UmbraError} BAD_ARGUMENT when it is missing */
  text(name: string): string {
    const value = this.optionalText(name);
    if (value === undefined) throw new UmbraError('BAD_ARGUMENT', `${label(name)} is missing`);
    return value;
  }

  optionalText(name: string): string | undefined {
    const value = this.#raw[name];
    if (value === undefined) return undefined;
    if (Array.isArray(value)) throw new UmbraError('BAD_ARGUMENT', `${label(name)} is given twice`);
    if (typeof value !== 'string' || value === '') throw new UmbraError('BAD_ARGUMENT', `${label(name)} needs a value`);
    return value;
  }

  texts(name: string): readonly string[] {
    const value = this.#raw[name];
    if (value === undefined) return [];
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    return values.map((item) => {
      if (typeof item !== 'string' || item === '') throw new UmbraError('BAD_ARGUMENT', `${label(name)} needs a value`);
      return item;
    });
  }

  flag(name: string): boolean {
    return this.#raw[name] === true;
  }

  /** @throws {UmbraError} BAD_ARGUMENT for anything but a whole number from `least` to `most` */
  optionalInteger(name: string, least: number, most: number): number | undefined {
    const text = this.optionalText(name);
    if (text === undefined) return undefined;
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    throw new UmbraError('BAD_ARGUMENT', `${label(name)} must be a whole number from ${least} to ${most}`);
  }

  /** @throws {UmbraError} BAD_ARGUMENT */
  optionalChoice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.optionalText(name);
    if (text === undefined) return undefined;
    const found = choices.find((choice) => choice === text);
    if (found === undefined)
      throw new UmbraError('BAD_ARGUMENT', `${label(name)} must be one of ${choices.join(', ')}`);
    return found;
  }

  /** An absolute path. @throws {UmbraError} BAD_ARGUMENT when it is missing */
  path(name: string): string {
    return this.absolute(this.text(name));
  }

  absolute(path: string): string {
    return resolve(this.#directory, path);
  }
}

/** How a user knows an argument: positionals are shown in capitals. */
function label(name: string): string {
  return name === name.toUpperCase() ? name : `--${name}`;
}
