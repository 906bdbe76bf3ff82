import {
  Composer,
  Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  Parser,
  type CST,
  type Node,
} from 'yaml';
import { UmbraError } from '../common/errors.js';
import { suggest } from '../common/suggest.js';

/** Longer than any configuration that somebody wrote. */
export const MAX_YAML_CHARACTERS = 64 * 1024;

/** Deeper than anything that is read; what composes a document calls itself for each level, and would end the process. */
const MAX_DEPTH = 40;

/** More than anybody writes. To find what one stands for takes a look at all of the document; and what is there once is read so often. */
const MAX_ALIASES = 100;

/** A document of YAML whose parts know where they stand. */
export interface YamlText {
  readonly document: Document;
  readonly lines: LineCounter;
  /** For messages. */
  readonly file: string;
}

/** @param file for messages @throws {UmbraError} BAD_ARGUMENT with the line */
export function readYaml(text: string, file: string): YamlText {
  if (text.length > MAX_YAML_CHARACTERS) throw wrongYaml(file, `it is longer than ${MAX_YAML_CHARACTERS} characters`);
  const lines = new LineCounter();
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const shape = shapeOf(tokens);
  if (shape.isDeep) throw wrongYaml(file, `something in it lies more than ${MAX_DEPTH} levels deep`);
  if (shape.aliases > MAX_ALIASES) throw wrongYaml(file, `it has more than ${MAX_ALIASES} aliases`);
  const [composed] = new Composer({ lineCounter: lines, prettyErrors: false }).compose(tokens, true, text.length);
  // With that flag there is one, of an empty text too.
  const document = composed ?? new Document(null);
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw wrongYaml(`${file}:${lines.linePos(problem.pos[0]).line}`, problem.message);
  return { document, lines, file };
}

/** What lies in it is looked at level by level, with no call for each. */
function shapeOf(tokens: readonly CST.Token[]): { readonly isDeep: boolean; readonly aliases: number } {
  let aliases = 0;
  let level: (CST.Token | null | undefined)[] = [...tokens];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) return { isDeep: true, aliases };
    aliases += level.filter((token) => token?.type === 'alias').length;
    level = level.flatMap((token) => {
      if (token?.type === 'document') return [token.value];
      return token !== null && token !== undefined && 'items' in token
        ? token.items.flatMap(({ key, value }) => [key, value])
        : [];
    });
  }
  return { isDeep: false, aliases };
}

export function wrongYaml(where: string, what: string, hint?: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `${where}: ${what}`, hint === undefined ? {} : { hint });
}

/** @param where `FILE:LINE` */
export function unknownField(name: string, known: readonly string[], where: string): UmbraError {
  const meant = suggest(name, known);
  const allowed = `Allowed are ${known.join(', ')}.`;
  const hint = meant === undefined ? allowed : `Did you mean "${meant}"? ${allowed}`;
  return wrongYaml(where, `${JSON.stringify(name)} is not known`, hint);
}

/** A value somewhere in a document of YAML. What is wrong with it is said with its own line. */
export class YamlPart {
  /** `policies.standard.keep`, for messages; empty for the whole. */
  readonly name: string;
  readonly #yaml: YamlText;
  readonly #node: Node | null;
  readonly #line: number;

  private constructor(yaml: YamlText, node: unknown, name: string, line: number) {
    this.#yaml = yaml;
    this.name = name;
    const found = isAlias(node) ? node.resolve(yaml.document) : node;
    this.#node = isNode(found) ? found : null;
    this.#line = line;
  }

  /** @throws {UmbraError} BAD_ARGUMENT with the line, for what is no YAML */
  static of(text: string, file: string): YamlPart {
    const yaml = readYaml(text, file);
    return new YamlPart(yaml, yaml.document.contents, '', 1);
  }

  /** `FILE:LINE` */
  get where(): string {
    return `${this.#yaml.file}:${this.#line}`;
  }

  /** An error of this part: `FILE:LINE: "NAME" WHAT`. */
  wrong(what: string, hint?: string): UmbraError {
    return wrongYaml(this.where, this.name === '' ? `it ${what}` : `"${this.name}" ${what}`, hint);
  }

  isMap(): boolean {
    return isMap(this.#node);
  }

  /** True for `name:` with nothing behind it. */
  isEmpty(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null);
  }

  /** A single value: text, a number, true or false; undefined for a map or a list. */
  scalar(): unknown {
    return isScalar(this.#node) ? this.#node.value : undefined;
  }

  /** The parts of a map by their names; of nothing there are none. @throws {UmbraError} BAD_ARGUMENT */
  entries(): Map<string, YamlPart> {
    const parts = new Map<string, YamlPart>();
    if (this.isEmpty()) return parts;
    if (!isMap(this.#node)) throw this.wrong('must have lines of the form "name: value"');
    for (const { key, value } of this.#node.items) {
      const name = isScalar(key) ? String(key.value) : '';
      const line = lineOf(this.#yaml, key) ?? this.#line;
      if (name === '') throw wrongYaml(`${this.#yaml.file}:${line}`, 'a name must be a single word');
      parts.set(name, new YamlPart(this.#yaml, value, this.name === '' ? name : `${this.name}.${name}`, line));
    }
    return parts;
  }

  /** The parts of a map of which all names are known. @throws {UmbraError} BAD_ARGUMENT, with the name that was probably meant */
  fields<K extends string>(known: readonly K[]): ReadonlyMap<K, YamlPart> {
    const parts = new Map<K, YamlPart>();
    for (const [name, part] of this.entries()) {
      const field = known.find((candidate) => candidate === name);
      if (field === undefined) throw unknownField(name, known, part.where);
      parts.set(field, part);
    }
    return parts;
  }

  /** The items of a list; a single value is a list of one. @throws {UmbraError} BAD_ARGUMENT */
  items(): YamlPart[] {
    if (this.isEmpty()) return [];
    if (isMap(this.#node)) throw this.wrong('must be a list');
    if (!isSeq(this.#node)) return [this];
    return this.#node.items.map((item, index) => {
      const line = lineOf(this.#yaml, item) ?? this.#line;
      return new YamlPart(this.#yaml, item, `${this.name}[${index}]`, line);
    });
  }
}

function lineOf({ lines }: YamlText, node: unknown): number | undefined {
  return isNode(node) && node.range ? lines.linePos(node.range[0]).line : undefined;
}
