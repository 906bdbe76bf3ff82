/** What one token of a pattern for a name takes. */
type Token =
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  | { readonly kind: 'text'; readonly character: string }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [string, string])[] };

/** A name's escaped byte, which a pattern has as it is shown: `\xe9`. */
const ESCAPED_BYTE = /^\\x[0-9a-f]{2}/;

/**
 * A pattern for one name: `*` any characters, `?` one, `[a-z]` and `[!a-z]` one of a class, a backslash takes what
 * follows as it is, but for `\xHH`, which stands for a byte as names show it.
 *
 * Guests choose the names, so matching must not take longer the more stars there are, as with regular expressions: of
 * several stars only the last one is ever tried again, so it takes at most the product of both lengths.
 */
export class NamePattern {
  readonly #tokens: readonly Token[];
  readonly #ignoreCase: boolean;

  constructor(pattern: string, ignoreCase: boolean) {
    this.#tokens = parse(ignoreCase ? pattern.toLowerCase() : pattern);
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

function parse(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length;) {
    const { token, length } = tokenAt(pattern, at);
    // Several stars are one.
    if (token.kind !== 'any' || tokens.at(-1)?.kind !== 'any') tokens.push(token);
    at += length;
  }
  return tokens;
}

function tokenAt(pattern: string, at: number): { readonly token: Token; readonly length: number } {
  const character = String.fromCodePoint(pattern.codePointAt(at) ?? 0);
  if (character === '*') return { token: { kind: 'any' }, length: 1 };
  if (character === '?') return { token: { kind: 'one' }, length: 1 };
  if (character === '[') {
    const found = classAt(pattern, at);
    if (found !== undefined) return found;
  }
  if (character === '\\' && at + 1 < pattern.length && !ESCAPED_BYTE.test(pattern.slice(at, at + 4))) {
    const quoted = String.fromCodePoint(pattern.codePointAt(at + 1) ?? 0);
    return { token: { kind: 'text', character: quoted }, length: 1 + quoted.length };
  }
  return { token: { kind: 'text', character }, length: character.length };
}

/** The class that begins at `at`; undefined if it has no end: then the bracket stands for itself. */
function classAt(pattern: string, at: number): { readonly token: Token; readonly length: number } | undefined {
  const negated = pattern[at + 1] === '!' || pattern[at + 1] === '^';
  const start = at + (negated ? 2 : 1);
  // A bracket that comes first is one of the class.
  const end = pattern.indexOf(']', start + 1);
  if (end < 0) return undefined;
  const members = Array.from(pattern.slice(start, end));
  const ranges: [string, string][] = [];
  for (let index = 0; index < members.length; index++) {
    const first = members[index] ?? '';
    const last = members[index + 1] === '-' ? members[index + 2] : undefined;
    ranges.push([first, last ?? first]);
    if (last !== undefined) index += 2;
  }
  return { token: { kind: 'class', negated, ranges }, length: end + 1 - at };
}
