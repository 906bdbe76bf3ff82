import { DIGEST_BYTES } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';

/** ECMAScript, section 21.4.1.1. */
const MAX_TIME_MS = 8.64e15;

/** Reads the fields of a decoded record, each with its type checked. */
export class Fields {
  readonly #record: Readonly<Record<string, unknown>>;
  readonly #what: string;

  constructor(record: Readonly<Record<string, unknown>>, what: string) {
    this.#record = record;
    this.#what = what;
  }

  text(name: string): string {
    const value = this.#record[name];
    if (typeof value !== 'string') throw this.wrong(name);
    return value;
  }

  optionalText(name: string): string | undefined {
    return this.#record[name] === undefined ? undefined : this.text(name);
  }

  optionalTexts(name: string): readonly string[] | undefined {
    const value = this.#record[name];
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.wrong(name);
    return value.map((text: unknown) => {
      if (typeof text !== 'string') throw this.wrong(name);
      return text;
    });
  }

  number(name: string): number {
    const value = this.#record[name];
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw this.wrong(name);
    return value;
  }

  optionalNumber(name: string): number | undefined {
    return this.#record[name] === undefined ? undefined : this.number(name);
  }

  /** Absent is false. */
  flag(name: string): boolean {
    const value = this.#record[name];
    if (value !== undefined && typeof value !== 'boolean') throw this.wrong(name);
    return value === true;
  }

  /** A whole number that is exact. */
  whole(name: string): number {
    const value = this.number(name);
    if (!Number.isSafeInteger(value)) throw this.wrong(name);
    return value;
  }

  /** Milliseconds since 1970, within what a Date can show. */
  time(name: string): number {
    const value = this.number(name);
    if (value > MAX_TIME_MS) throw this.wrong(name);
    return value;
  }

  /** A text that `isName` accepts. */
  name(name: string, isName: (text: string) => boolean): string {
    const value = this.text(name);
    if (!isName(value)) throw this.wrong(name);
    return value;
  }

  bytes(name: string): Uint8Array {
    const value = this.#record[name];
    if (!(value instanceof Uint8Array)) throw this.wrong(name);
    return value;
  }

  digest(name: string): Uint8Array {
    const value = this.bytes(name);
    if (value.length !== DIGEST_BYTES) throw this.wrong(name);
    return value;
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const value = allowed.find((candidate) => candidate === this.#record[name]);
    if (value === undefined) throw this.wrong(name);
    return value;
  }

  record(name: string): Fields {
    return this.#nested(this.#record[name], name);
  }

  optionalRecord(name: string): Fields | undefined {
    return this.#record[name] === undefined ? undefined : this.record(name);
  }

  records(name: string): Fields[] {
    const value = this.#record[name];
    if (!Array.isArray(value)) throw this.wrong(name);
    return value.map((element: unknown) => this.#nested(element, name));
  }

  wrong(name: string): UmbraError {
    return new UmbraError('STORE_DAMAGED', `the field "${name}" of ${this.#what} is not right`, {
      hint: 'Run "umbra verify", and "umbra rebuild" if it says so.',
    });
  }

  #nested(value: unknown, name: string): Fields {
    if (typeof value !== 'object' || value === null) throw this.wrong(name);
    return new Fields(value as Readonly<Record<string, unknown>>, this.#what);
  }
}
