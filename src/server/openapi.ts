import { ERROR_CODES } from '../common/error-codes.js';
import { isErrorCode } from '../common/errors.js';
import type { JsonSchema, Shape } from '../common/json-schema.js';
import { count, listOf, objectSchema, shape, text } from '../common/shapes.js';
import { PROTOCOL_HEADER, PROTOCOL_VERSION, VERSION } from '../protocol/version.js';
import { BYTES_TYPE, ERROR_TRAILER, SHADOW_COPY_HEADER, SIZE_HEADER, STREAM_TYPE } from '../protocol/wire.js';
import type { ErrorAnswer } from '../protocol/wire.js';
import { progress, wireError } from './answers/store-answers.js';
import type { Permission } from './caller.js';
import type { Route } from './exchange.js';
import { httpStatus } from './http-request.js';
import type { MediaDescription } from './route-description.js';
import { SchemaShelf } from './schema-shelf.js';

/** A part of a document that is JSON. */
type Part = Readonly<Record<string, unknown>>;

const JSON_TYPE = 'application/json';

const ABOUT = `The server of an Umbra store, at the store's Unix socket (STORE/server.sock) and, with "umbra serve --listen", over HTTPS.
Parameters of GET are in the query, those of all other methods in a JSON body, also of DELETE; fields that are not described are refused.
Who connects to the socket is the store's owner. Administrators have a token or a client certificate, agents a client certificate;
"x-roles" says who may call what. Every error is answered in one form, with a code that is stable.`;

const STREAM_DETAILS = `One JSON document a line: first "job" (its number, for DELETE /v1/jobs/ID), then any number of "progress" and of "items"
(parts of a result that may be long), then one "result" or one "error". A stream without either was broken off. The status
is 200 also where an "error" follows; a request that was never begun has an error's status. Closing the connection cancels the job.`;

const BYTES_DETAILS = `The bytes of a file. "${SIZE_HEADER}" says how many they should be, "${SHADOW_COPY_HEADER}" of which shadow copy they are.
What went wrong after the first byte is in the trailer "${ERROR_TRAILER}": an error as JSON, encoded as a URI component.`;

/** The OpenAPI 3.1 description of what a server answers: made from what answers it. */
export function describeRoutes(routes: readonly Route[]): Part {
  const shelf = new SchemaShelf();
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = pathOf(route);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeRoute(route, shelf) };
  }
  const errors = { description: errorDetails(), content: json(shelf.refer(errorAnswer().schema)) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Umbra',
      version: VERSION,
      description: ABOUT,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'the server that this came from' }],
    paths,
    components: {
      schemas: shelf.schemas(),
      parameters: { Protocol: protocolParameter() },
      responses: { Error: errors },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'An administrator\'s token ("umbra token add NAME").' },
        certificate: {
          type: 'mutualTLS',
          description: 'A client certificate of the server\'s authority ("umbra login", "umbra agent enrol").',
        },
      },
    },
  };
}

function describeRoute(route: Route, shelf: SchemaShelf): Part {
  const { method, permission, anyProtocol, description } = route;
  const { summary, details = '', params, body } = description;
  const inQuery = method === 'GET' ? queryParameters(params, shelf) : [];
  const parameters = [...pathParameters(route, shelf), ...inQuery, ...(anyProtocol ? [] : [PROTOCOL])];
  const access = accessDetails(permission);
  return {
    operationId: operationId(route),
    tags: [tagOf(route)],
    summary,
    description: [details, access].filter((part) => part !== '').join('\n\n'),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? jsonBody(method, params, shelf)
      : { requestBody: { required: true, description: body.what, content: media(body, shelf) } }),
    responses: { ...answers(route, shelf), default: { $ref: '#/components/responses/Error' } },
    security: securityOf(permission),
    'x-roles': [...permission.roles, ...(permission.strangers === true ? ['stranger'] : [])],
  };
}

const PROTOCOL = { $ref: '#/components/parameters/Protocol' };

function protocolParameter(): Part {
  return {
    name: PROTOCOL_HEADER,
    in: 'header',
    required: false,
    description:
      "Whoever names a protocol that is not the server's gets SERVER_VERSION instead of something else than he expects.",
    schema: { type: 'string', const: String(PROTOCOL_VERSION) },
  };
}

/** `/v1/jobs/{id}` */
function pathOf({ route }: Route): string {
  return route.replace(/:(\w+)$/, '{$1}');
}

/** `postFilesList` */
function operationId({ method, route }: Route): string {
  const words = route.split(/\W+/).filter((word) => word !== '' && word !== 'v1');
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function tagOf({ route }: Route): string {
  return /^(?:\/v1)?\/([\w-]+)/.exec(route)?.[1] ?? route;
}

function pathParameters({ route, description }: Route, shelf: SchemaShelf): readonly Part[] {
  const name = /:(\w+)$/.exec(route)?.[1];
  if (name === undefined || description.tail === undefined) return [];
  return [{ name, in: 'path', required: true, schema: shelf.refer(description.tail.schema) }];
}

function queryParameters({ schema }: Shape<unknown>, shelf: SchemaShelf): readonly Part[] {
  return Object.entries(schema.properties ?? {}).map(([name, of]) => ({
    name,
    in: 'query',
    required: schema.required?.includes(name) ?? false,
    schema: shelf.refer(of),
  }));
}

/** A request without parameters may be sent without a body. */
function jsonBody(method: Route['method'], { schema }: Shape<unknown>, shelf: SchemaShelf): Part {
  if (method === 'GET') return {};
  return { requestBody: { required: schema.required !== undefined, content: json(shelf.refer(schema)) } };
}

function answers({ description: { answer } }: Route, shelf: SchemaShelf): Part {
  switch (answer.as) {
    case 'json': {
      const good = { description: 'The result.', content: json(shelf.refer(answer.result.schema)) };
      return Object.fromEntries((answer.statuses ?? [200]).map((status) => [status, good]));
    }
    case 'stream': {
      const line = shelf.refer(lineSchema(answer));
      return { 200: { description: STREAM_DETAILS, content: { [STREAM_TYPE]: { schema: line } } } };
    }
    case 'bytes':
      return { 200: { description: BYTES_DETAILS, headers: byteHeaders(), content: { [BYTES_TYPE]: {} } } };
    case 'media':
      return { 200: { description: answer.what, content: media(answer, shelf) } };
  }
}

function byteHeaders(): Part {
  return { [SIZE_HEADER]: { schema: count.schema }, [SHADOW_COPY_HEADER]: { schema: text.schema } };
}

/** What each line of a stream is. */
function lineSchema({
  result,
  items,
}: {
  readonly result: Shape<unknown>;
  readonly items?: Shape<unknown>;
}): JsonSchema {
  return {
    anyOf: [
      objectSchema({ job: count }),
      objectSchema({ progress }),
      ...(items === undefined ? [] : [objectSchema({ items: listOf(items) })]),
      objectSchema({ result }),
      errorAnswer().schema,
    ],
  };
}

function json(schema: Part): Part {
  return { [JSON_TYPE]: { schema } };
}

function media({ type, parts }: MediaDescription, shelf: SchemaShelf): Part {
  return { [type]: parts === undefined ? {} : { schema: shelf.refer(parts) } };
}

function errorAnswer(): Shape<ErrorAnswer> {
  return shape<ErrorAnswer>('ErrorAnswer', { error: wireError });
}

/** Which code comes with which status, and what it means. */
function errorDetails(): string {
  const lines = Object.entries(ERROR_CODES).flatMap(([code, { meaning }]) =>
    isErrorCode(code) ? [`- ${code} (${httpStatus(code)}): ${meaning}`] : [],
  );
  return ['The request failed. "hint", where there is one, says what to do next.', '', ...lines].join('\n');
}

function accessDetails({ roles, strangers }: Permission): string {
  if (strangers === true) return 'For everybody, also without a token or a certificate.';
  const who = roles.map((role) => (role === 'owner' ? 'the owner (at the socket)' : `${role}s`)).join(', ');
  return `For ${who} only.`;
}

/** Each entry is enough. The owner needs none: he is who reaches the socket. */
function securityOf({ roles, strangers }: Permission): readonly Part[] {
  return [
    ...(strangers === true ? [{}] : []),
    ...(roles.includes('administrator') ? [{ token: [] }] : []),
    ...(roles.includes('administrator') || roles.includes('agent') ? [{ certificate: [] }] : []),
  ];
}
