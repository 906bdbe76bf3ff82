import { toWireError } from '../protocol/wire-error.js';
import type { ByteOutput } from './environment.js';

/** Prints one JSON document with a long array in it, as its items come. */
export class JsonItems {
  readonly #output: Pick<ByteOutput, 'writeBytes'>;
  readonly #key: string;
  #count = 0;

  constructor(output: Pick<ByteOutput, 'writeBytes'>, key: string) {
    this.#output = output;
    this.#key = key;
  }

  async add(items: readonly unknown[]): Promise<void> {
    let text = '';
    for (const item of items) {
      text += this.#count++ === 0 ? this.#beginning() : ',\n';
      text += `    ${JSON.stringify(item)}`;
    }
    await this.#write(text);
  }

  /** @param result the other fields of the document */
  async end(result: object): Promise<void> {
    const fields = Object.entries(result)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => `,\n  ${JSON.stringify(key)}: ${indented(value)}`);
    const array = this.#count === 0 ? `{\n  ${JSON.stringify(this.#key)}: []` : '\n  ]';
    await this.#write(`${array}${fields.join('')}\n}\n`);
  }

  /** End a document that was begun with what went wrong. Of one that was not, nothing is printed. */
  async fail(error: unknown): Promise<void> {
    if (this.#count > 0) await this.end({ error: toWireError(error) });
  }

  #beginning(): string {
    return `{\n  ${JSON.stringify(this.#key)}: [\n`;
  }

  async #write(text: string): Promise<void> {
    if (text !== '') await this.#output.writeBytes(Buffer.from(text));
  }
}

function indented(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replaceAll('\n', '\n  ');
}
