/** What is used of JSON Schema (draft 2020-12) to describe values. Lengths of texts are UTF-16 units where they matter. */
export interface JsonSchema {
  /** Names a schema that stands at several places. */
  readonly title?: string;
  readonly description?: string;
  readonly type?: 'string' | 'boolean' | 'integer' | 'number' | 'array' | 'object' | 'null';
  readonly const?: string | number | boolean;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  /** False where a field that is not listed is refused. */
  readonly additionalProperties?: boolean;
  readonly dependentRequired?: Readonly<Record<string, readonly string[]>>;
  readonly anyOf?: readonly JsonSchema[];
  readonly not?: JsonSchema;
  readonly examples?: readonly (string | number)[];
}

/** The JSON schema of values of a type. */
export interface Shape<T> {
  readonly schema: JsonSchema;
  /** Never there: it ties the schema to its type. */
  readonly value?: T;
}
