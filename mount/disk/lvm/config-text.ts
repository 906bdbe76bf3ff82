import { UmbraError } from '../../../src/common/errors.js';
import { Budget } from '../../blocks/budget.js';

/** A section of LVM's text: values and other sections by their names, in their order. */
export type ConfigSection = ReadonlyMap<string, ConfigNode>;
export type ConfigValue = string | number;
export type ConfigNode = ConfigValue | readonly ConfigValue[] | ConfigSection;

/** Sections in sections; LVM itself needs four. */
const MAX_DEPTH = 8;
const MAX_NODES = 500_000;
/** What stands between tokens: a `#` and what follows in its line, too. Never fails, so it never goes back. */
const NOTHING = /(?:\s|#[^\n]*)*/y;
/** A string, a mark, or a word: a name or a number. */
const TOKEN = /"((?:[^"\\]|\\.)*)"|'([^']*)'|([[\]{}=,])|([^\s"'[\]{}=,#]+)/sy;
const NUMBER = /^[+-]?\d+(\.\d*)?$/;

type Token =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'mark'; readonly text: string }
  | { readonly kind: 'word'; readonly text: string };

/**
 * Parse the text in which LVM keeps its metadata (lvm.conf(5) describes its syntax).
 * @throws {UmbraError} FILESYSTEM_DAMAGED
 */
export function parseConfigText(text: string): ConfigSection {
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  readonly #budget = new Budget(MAX_NODES, "values in LVM's metadata");
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): ConfigSection {
    const top = new Map<string, ConfigNode>();
    const open = [top];
    for (let token = this.#next(); token !== undefined; token = this.#next()) {
      this.#budget.spend();
      const section = open.at(-1) ?? top;
      if (token.kind === 'mark') {
        if (token.text !== '}' || open.length === 1) throw this.#wrong(token.text);
        open.pop();
        continue;
      }
      if (this.#expect('={') === '=') section.set(token.text, this.#value());
      else {
        if (open.length > MAX_DEPTH) throw this.#wrong('{');
        const inner = new Map<string, ConfigNode>();
        section.set(token.text, inner);
        open.push(inner);
      }
    }
    if (open.length > 1) throw this.#wrong('the end');
    return top;
  }

  #value(): ConfigNode {
    const token = this.#next();
    if (token === undefined) throw this.#wrong('the end');
    if (token.kind !== 'mark') return valueOf(token);
    if (token.text !== '[') throw this.#wrong(token.text);
    return this.#list();
  }

  #list(): ConfigValue[] {
    const values: ConfigValue[] = [];
    for (let token = this.#next(); token !== undefined; token = this.#next()) {
      this.#budget.spend();
      if (token.kind !== 'mark') values.push(valueOf(token));
      else if (token.text === ']') return values;
      else if (token.text !== ',') throw this.#wrong(token.text);
    }
    throw this.#wrong('the end');
  }

  #expect(marks: string): string {
    const token = this.#next();
    if (token?.kind !== 'mark' || !marks.includes(token.text)) throw this.#wrong(token?.text ?? 'the end');
    return token.text;
  }

  #next(): Token | undefined {
    NOTHING.lastIndex = this.#at;
    NOTHING.exec(this.#text);
    TOKEN.lastIndex = this.#at = NOTHING.lastIndex;
    const match = TOKEN.exec(this.#text);
    if (match === null) {
      if (this.#at < this.#text.length) throw this.#wrong('something else');
      return undefined;
    }
    this.#at = TOKEN.lastIndex;
    const [, double, single, mark, word = ''] = match;
    if (double !== undefined) return { kind: 'string', text: double.replace(/\\(.)/gs, '$1') };
    if (single !== undefined) return { kind: 'string', text: single };
    return mark === undefined ? { kind: 'word', text: word } : { kind: 'mark', text: mark };
  }

  #wrong(what: string): UmbraError {
    return new UmbraError('FILESYSTEM_DAMAGED', `LVM's metadata can't be parsed: ${what.slice(0, 40)} at ${this.#at}`);
  }
}

function valueOf({ kind, text }: Token): ConfigValue {
  return kind === 'word' && NUMBER.test(text) ? Number(text) : text;
}

/** A section in a section; undefined if it is not there, or is something else. */
export function sectionIn(section: ConfigSection, name: string): ConfigSection | undefined {
  const node = section.get(name);
  return node instanceof Map ? node : undefined;
}

/** @throws {UmbraError} FILESYSTEM_DAMAGED when there is no such whole number, or it is negative */
export function numberIn(section: ConfigSection, name: string, fallback?: number): number {
  const node = section.get(name) ?? fallback;
  if (typeof node === 'number' && Number.isSafeInteger(node) && node >= 0) return node;
  throw new UmbraError('FILESYSTEM_DAMAGED', `LVM's metadata has no number "${name}" where one must be`);
}

/** Empty if it is not there, or is something else. */
export function stringIn(section: ConfigSection, name: string): string {
  const node = section.get(name);
  return typeof node === 'string' ? node : '';
}

/** A list; what is a single value becomes one. Empty if it is not there. */
export function listIn(section: ConfigSection, name: string): readonly ConfigValue[] {
  const node = section.get(name);
  if (node === undefined || node instanceof Map) return [];
  return typeof node === 'string' || typeof node === 'number' ? [node] : (node as readonly ConfigValue[]);
}
