import { escapeName, unescapeName } from '../../mount/filesystems/names.js';

/** What one token of a pattern for a name takes. */
type Token =
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  | { readonly kind: 'text'; readonly character: string }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] };

/** Bytes of a name as they are shown, each `\xe9`. */
const ESCAPED_BYTES = /(?:\\x[0-9a-f]{2})+/y;
const ALL_ESCAPED_BYTES = new RegExp(ESCAPED_BYTES, 'g');
/** What makes a sequence of a backslash before it. */
const SEQUENCE_END = /^x[0-9a-f]{2}/;

/**
 * A pattern for one name: `*` any characters, `?` one, `[a-z]` and `[!a-z]` one of a class, a backslash takes what
 * follows as it is, but for `\xHH`, which stands for that byte of a name, in the form in which names are printed.
 *
 * Guests choose the names, so matching must not take longer the more stars there are, as with regular expressions: of
 * several stars only the last one is ever tried again, so it takes at most the product of both lengths.
 */
export class NamePattern {
  readonly #tokens: readonly Token[];
  readonly #ignoreCase: boolean;

  constructor(pattern: string, ignoreCase: boolean) {
    this.#tokens = new Parser(pattern, ignoreCase).parse();
    this.#ignoreCase = ignoreCase;
  }

  matches(name: string): boolean {
    const text = this.#ignoreCase ? name.toLowerCase() : name;
    let at = 0;
    let token = 0;
    let star = -1;
    let starAt = 0;
    while (at < text.length) {
      const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
      const next = this.#tokens[token];
      if (next?.kind === 'any') {
        star = token++;
        starAt = at;
      } else if (next !== undefined && takes(next, character)) {
        token++;
        at += character.length;
      } else if (star >= 0) {
        token = star + 1;
        starAt += String.fromCodePoint(text.codePointAt(starAt) ?? 0).length;
        at = starAt;
      } else return false;
    }
    return this.#tokens.slice(token).every(({ kind }) => kind === 'any');
  }
}

function takes(token: Exclude<Token, { kind: 'any' }> | Token, character: string): boolean {
  switch (token.kind) {
    case 'any':
    case 'one':
      return true;
    case 'text':
      return token.character === character;
    case 'class':
      return token.ranges.some(([first, last]) => character >= first && character <= last) !== token.negated;
  }
}

class Parser {
  readonly #pattern: string;
  readonly #ignoreCase: boolean;
  #at = 0;

  constructor(pattern: string, ignoreCase: boolean) {
    this.#pattern = ignoreCase ? pattern.toLowerCase() : pattern;
    this.#ignoreCase = ignoreCase;
  }

  parse(): Token[] {
    const tokens: Token[] = [];
    while (this.#at < this.#pattern.length) {
      for (const token of this.#next()) {
        // Several stars are one.
        if (token.kind !== 'any' || tokens.at(-1)?.kind !== 'any') tokens.push(token);
      }
    }
    return tokens;
  }

  #next(): readonly Token[] {
    const pattern = this.#pattern;
    const bytes = this.#escapedBytes();
    if (bytes !== undefined) return bytes;
    const character = this.#take();
    if (character === '*') return [{ kind: 'any' }];
    if (character === '?') return [{ kind: 'one' }];
    if (character === '[') return [this.#class() ?? { kind: 'text', character }];
    const isQuote = character === '\\' && this.#at < pattern.length;
    return [{ kind: 'text', character: isQuote ? this.#take() : character }];
  }

  #take(): string {
    const character = String.fromCodePoint(this.#pattern.codePointAt(this.#at) ?? 0);
    this.#at += character.length;
    return character;
  }

  /** Bytes that are given as they are shown, if they come next. */
  #escapedBytes(): readonly Token[] | undefined {
    ESCAPED_BYTES.lastIndex = this.#at;
    const [bytes] = ESCAPED_BYTES.exec(this.#pattern) ?? [];
    if (bytes === undefined) return undefined;
    this.#at += bytes.length;
    const name = this.#nameOf(bytes, this.#pattern.slice(this.#at));
    return Array.from(name, (character) => ({ kind: 'text', character }));
  }

  /**
   * Bytes in the form that names have here: what is only shown escaped since a terminal would not show it is a
   * character in them.
   */
  #nameOf(bytes: string, rest: string): string {
    const name = escapeName(unescapeName(bytes));
    // With what follows it, it would be taken for a sequence, so it is escaped in names.
    if (name.endsWith('\\') && SEQUENCE_END.test(rest)) return `${name}x5c`;
    return this.#ignoreCase ? name.toLowerCase() : name;
  }

  /** The class whose bracket was taken; undefined if it has no end: then the bracket stands for itself. */
  #class(): Token | undefined {
    const negated = ['!', '^'].includes(this.#pattern.charAt(this.#at));
    const start = negated ? this.#at + 1 : this.#at;
    // A bracket that comes first is one of the class.
    const end = this.#pattern.indexOf(']', start + 1);
    if (end < 0) return undefined;
    this.#at = end + 1;
    const text = this.#pattern.slice(start, end);
    const members = Array.from(text.replaceAll(ALL_ESCAPED_BYTES, (bytes) => this.#nameOf(bytes, '')));
    const ranges: [string, string][] = [];
    for (let index = 0; index < members.length; index++) {
      const first = members[index] ?? '';
      const last = members[index + 1] === '-' ? members[index + 2] : undefined;
      ranges.push([first, last ?? first]);
      if (last !== undefined) index += 2;
    }
    return { kind: 'class', negated, ranges };
  }
}
