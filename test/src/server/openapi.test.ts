import { createServer } from 'node:http';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import t from 'tap';
import { isUmbraError } from '../../../src/common/errors.js';
import { ERROR_CODES } from '../../../src/common/error-codes.js';
import type { Validator as Params } from '../../../src/common/params.js';
import { socketPath } from '../../../src/protocol/socket-path.js';
import { describeRoutes } from '../../../src/server/openapi.js';
import { createRequestHandler, serverRoutes } from '../../../src/server/request-handler.js';
import { ask, type Answer } from '../../kit/api-client.js';
import { handlerOptions } from '../../kit/handler-options.js';
import { Random, testSeed } from '../../kit/random.js';
import { startRemoteServer } from '../../kit/remote-lab.js';
import { exampleOf, mutated } from '../../kit/schema-values.js';
import { temporaryDirectory } from '../../kit/temporary.js';

interface Described {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly responses: Readonly<Record<string, unknown>>;
  readonly security: readonly Readonly<Record<string, unknown>>[];
  readonly 'x-roles': readonly string[];
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

const ROUTES = serverRoutes(handlerOptions('/store'));
const DOCUMENT = JSON.parse(JSON.stringify(describeRoutes(ROUTES))) as Document;

/** Lengths are those of JavaScript's strings here, as the schemas say. */
const UTF16 = { unicode: false };

function newAjv(): Ajv2020 {
  return new Ajv2020({ strict: false, validateFormats: false, ...UTF16, logger: false });
}

/** Method, path and what is said of each operation of the document. */
const DESCRIBED = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, described]) => ({ method: method.toUpperCase(), path, described })),
);

void t.test('it is an OpenAPI document, as others understand that', async (t) => {
  t.equal(DOCUMENT.openapi, '3.1.0');
  const validator = new Validator();
  const { valid, errors } = await validator.validate({ ...DOCUMENT });
  t.ok(valid, JSON.stringify(errors));
  t.equal(validator.version, '3.1');
  const broken = await new Validator().validate({ ...DOCUMENT, paths: { '/x': { get: { responses: 1 } } } });
  t.notOk(broken.valid, 'the validator finds what is wrong');
});

void t.test('it has every route, and no other', async (t) => {
  const described = DESCRIBED.map(({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/, ':$1')}`);
  t.same(described.toSorted(), ROUTES.map(({ method, route }) => `${method} ${route}`).toSorted());
  t.equal(new Set(DESCRIBED.map(({ described: { operationId } }) => operationId)).size, DESCRIBED.length);

  const store = join(temporaryDirectory(t), 'store');
  mkdirSync(store);
  chmodSync(store, 0o700);
  const handler = createRequestHandler(handlerOptions(store));
  const server = createServer((request, response) => void handler(request, response, () => undefined));
  await new Promise<void>((resolve) => server.listen(socketPath(store), resolve));
  t.teardown(() => server.close());
  for (const { method, path, described } of DESCRIBED) {
    const { status } = await ask(store, method, path.replace('{id}', '1'));
    const isForStrangers = described['x-roles'].includes('stranger');
    t.match(status, isForStrangers ? /^(200|400|503)$/ : /^401$/, `${method} ${path} is there`);
  }
});

void t.test('it says of each who may call it, and how it is answered', async (t) => {
  for (const { method, path, described } of DESCRIBED) {
    const { permission } =
      ROUTES.find((route) => route.method === method && route.route === path.replace('{id}', ':id')) ?? {};
    const roles = described['x-roles'];
    t.same(
      roles.filter((role) => role !== 'stranger'),
      permission?.roles,
      `${method} ${path}`,
    );
    t.equal(
      described.security.some((entry) => Object.keys(entry).length === 0),
      permission?.strangers === true,
    );
    t.equal(
      described.security.some((entry) => 'token' in entry),
      roles.includes('administrator'),
    );
    t.ok(described.summary.length > 5 && !described.summary.includes('\n'), described.summary);
    t.same(described.responses['default'], { $ref: '#/components/responses/Error' });
  }
  const { schemas } = DOCUMENT.components;
  t.same(schemas['WireError'], {
    type: 'object',
    properties: { code: { enum: Object.keys(ERROR_CODES) }, message: { type: 'string' }, hint: { type: 'string' } },
    required: ['code', 'message'],
  });
  t.match(schemas['ShadowCopyInfo'], {
    properties: { consistency: { enum: ['offline', 'application', 'filesystem', 'crash', 'none'] } },
  });
  t.match(schemas['DiscoveredMachine'], {
    properties: { source: { enum: ['libvirt', 'qmp', 'config-file', 'directory', 'guest'] } },
  });
  t.match(DOCUMENT.paths['/v1/files/content']?.['get'], {
    parameters: [{ name: 'machine', in: 'query', required: true }, {}, { name: 'path', schema: { pattern: /vda|\// } }],
    responses: { 200: { content: { 'application/octet-stream': {} } } },
  });
  t.match(DOCUMENT.paths['/v1/ingest']?.['post'], {
    requestBody: { content: { 'application/x-umbra-frames': { schema: { $ref: '#/components/schemas/AgentFrame' } } } },
  });
  t.match(DOCUMENT.paths['/v1/jobs/{id}']?.['delete'], {
    parameters: [{ name: 'id', in: 'path', required: true }, {}],
  });
});

/** Whether a validator takes a value; anything but an error of ours is a defect. */
function takes(validate: Params<unknown>, value: unknown): boolean {
  try {
    validate(value, '');
    return true;
  } catch (error) {
    if (isUmbraError(error, 'BAD_ARGUMENT', 'BAD_NAME')) return false;
    throw error;
  }
}

void t.test('what is described of parameters is what is checked', async (t) => {
  const random = new Random(testSeed(t));
  let taken = 0;
  let refused = 0;
  const ajv = newAjv();
  for (const { method, route, description } of ROUTES) {
    for (const params of [description.params, ...(description.tail === undefined ? [] : [description.tail])]) {
      const isDescribed = ajv.compile(params.schema);
      for (let round = 0; round < 30; round += 1) {
        const example = exampleOf(params.schema, random);
        const change = mutated(example, random);
        const twice = mutated(change, random);
        if (!takes(params, example)) t.fail(`${method} ${route} refuses ${JSON.stringify(example)}`);
        for (const value of [example, change, twice]) {
          const isTaken = takes(params, value);
          if (isTaken) taken += 1;
          else refused += 1;
          const isSame = isDescribed(value) === isTaken;
          if (!isSame)
            t.fail(`${method} ${route}: ${isTaken ? 'taken' : 'refused'}: ${JSON.stringify(value).slice(0, 300)}`);
        }
      }
    }
  }
  t.ok(taken > 1000 && refused > 1000, `${taken} taken, ${refused} refused`);
});

void t.test('answers are as they are described', async (t) => {
  const ajv = newAjv();
  ajv.addSchema({ ...DOCUMENT, $id: 'umbra:/api' });
  const check = ({ status, body, headers }: Answer, method: string, path: string): void => {
    const operation = `umbra:/api#/paths/${path.replaceAll('/', '~1')}/${method.toLowerCase()}`;
    const type = String(headers['content-type']).replace('/', '~1');
    const conforms = ajv.compile({ $ref: `${operation}/responses/${status}/content/${type}/schema` });
    const lines: readonly unknown[] = type === 'application~1x-ndjson' ? (body as readonly unknown[]) : [body];
    for (const line of lines) t.ok(conforms(line), `${method} ${path}: ${JSON.stringify(line).slice(0, 200)}`);
    t.notOk(conforms({}), `${method} ${path} is not described by nothing`);
  };
  const lab = await startRemoteServer(t);
  const local = async (method: string, path: string, body?: object): Promise<void> => {
    const query = method === 'GET' && body !== undefined ? `?${new URLSearchParams({ ...body }).toString()}` : '';
    check(await ask(lab.store, method, path + query, method === 'GET' ? undefined : body), method, path);
  };
  const machine = { machine: 'bad', version: 'latest' };
  const between = { machine: 'bad', from: 'latest', toMachine: 'web1', to: 'latest' };
  await local('POST', '/v1/backup', { machine: 'bad', images: [{ path: '/a' }], configs: [], reread: false });
  await local('GET', '/v1/shadow-copies', { machine: 'bad' });
  await local('GET', '/v1/stats');
  await local('GET', '/v1/status');
  await local('GET', '/health');
  await local('POST', '/v1/restore', { ...machine, to: '/x' });
  await local('POST', '/v1/export', { ...machine, volume: 'vda', to: '/x' });
  await local('POST', '/v1/diff', { ...between, exact: true });
  await local('POST', '/v1/forget', { shadowCopies: [machine], dryRun: true, force: false });
  await local('POST', '/v1/gc', {});
  await local('POST', '/v1/verify', machine);
  await local('POST', '/v1/rebuild', {});
  await local('POST', '/v1/shares', { name: 'data', machine: 'bad', path: 'vda1/srv' });
  await local('DELETE', '/v1/shares', { name: 'data' });
  await local('POST', '/v1/mounts', { mountPoint: '/mnt/x', allowOther: false, leased: false });
  await local('DELETE', '/v1/mounts', { mountPoint: '/mnt/x', force: false });
  await local('POST', '/v1/files/list', { ...machine, details: true });
  await local('POST', '/v1/files/list', { ...machine, path: '/vda1', details: true });
  await local('POST', '/v1/files/copy', {
    ...machine,
    path: '/vda1',
    to: '/x',
    ...{ toDirectory: false, recursive: true, force: false },
  });
  await local('POST', '/v1/files/history', { machine: 'bad', path: '/vda1/a' });
  await local('POST', '/v1/files/find', { machine: 'bad', glob: '*', ignoreCase: false });
  await local('POST', '/v1/files/diff', between);
  await local('POST', '/v1/machines/list', { discover: false });
  await local('POST', '/v1/tokens', { name: 'berta' });
  await local('DELETE', '/v1/tokens', { name: 'berta' });
  await local('POST', '/v1/agents/invite', { host: 'hv2', lifeSeconds: 60 });
  await lab.agent('hv1');
  await local('GET', '/v1/agents');
  await local('DELETE', '/v1/agents', { host: 'hv1' });
});

void t.test('whoever is known is given it, strangers are not', async (t) => {
  const lab = await startRemoteServer(t);
  const path = '/v1/openapi.json';
  const { status, body } = await ask(lab.store, 'GET', path);
  t.same([status, body], [200, DOCUMENT]);
  const identity = await lab.agent('hv1');
  t.same((await lab.ask('GET', path, undefined, { identity })).body, DOCUMENT);
  t.same((await lab.ask('GET', path, undefined, { token: await lab.addToken('anna') })).body, DOCUMENT);
  t.equal((await lab.ask('GET', path)).status, 401);
});
