import type { JsonSchema, Shape } from '../common/json-schema.js';
import type { Validator } from '../common/params.js';

/** What GET /v1/openapi.json says of a route besides its method, path and who may call it. */
export interface RouteDescription {
  /** One line. */
  readonly summary: string;
  /** What else its caller has to know. */
  readonly details?: string;
  /** In the query for GET, else a JSON body. */
  readonly params: Validator<unknown>;
  /** Of a route that ends in a parameter, the parameter. */
  readonly tail?: Validator<unknown>;
  /** A body that is something else. */
  readonly body?: MediaDescription;
  readonly answer: AnswerDescription;
}

export type AnswerDescription =
  | { readonly as: 'json'; readonly result: Shape<unknown>; readonly statuses?: readonly number[] }
  /** Lines of JSON with progress and one result; `items` are parts of the result that come before it. */
  | { readonly as: 'stream'; readonly result: Shape<unknown>; readonly items?: Shape<unknown> }
  /** The bytes of a file. */
  | { readonly as: 'bytes' }
  | ({ readonly as: 'media' } & MediaDescription);

/** Something that is not JSON, in words. */
export interface MediaDescription {
  readonly type: string;
  readonly what: string;
  /** Of what it is made up of, if that is JSON or like it. */
  readonly parts?: JsonSchema;
}

/** Of every body of frames. */
export const FRAMES_WHAT =
  'A frame is two numbers (32 bits, little-endian), how long its header and its body are, the header (a map, in msgpack) and the body.';
