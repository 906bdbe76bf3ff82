import type { JsonSchema } from '../common/json-schema.js';

/** A schema in whose place a reference may stand. */
export type Referred = Readonly<Record<string, unknown>>;

/** Keeps schemas that have a title, once each, and gives references to them. */
export class SchemaShelf {
  readonly #kept = new Map<string, Referred>();

  /** The schema with a reference in the place of every part that has a title. */
  refer(schema: JsonSchema): Referred {
    const { title, ...rest } = schema;
    if (title === undefined) return this.#insides(rest);
    if (!this.#kept.has(title)) this.#kept.set(title, this.#insides(rest));
    return { $ref: `#/components/schemas/${title}` };
  }

  /** By their titles. */
  schemas(): Readonly<Record<string, Referred>> {
    return Object.fromEntries([...this.#kept].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #insides({ items, properties, anyOf, ...rest }: Omit<JsonSchema, 'title'>): Referred {
    return {
      ...rest,
      ...(items === undefined ? {} : { items: this.refer(items) }),
      ...(properties === undefined ? {} : { properties: this.#each(properties) }),
      ...(anyOf === undefined ? {} : { anyOf: anyOf.map((choice) => this.refer(choice)) }),
    };
  }

  #each(properties: Readonly<Record<string, JsonSchema>>): Referred {
    return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, this.refer(schema)]));
  }
}
