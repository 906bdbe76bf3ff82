import { object, string } from '../common/params.js';
import { keyLabel, SECRET_FIELDS, fromWireSecret } from '../keys/wire-secret.js';
import * as answers from './answers/key-answers.js';
import type { Permission } from './caller.js';
import { operation, type Operation } from './operation.js';
import { noParams } from './request-params.js';

const KEY_OWNER: Permission = {
  roles: ['owner'],
  hint: "Keys are changed where the store is: run the command there, as the store's owner.",
};

const keyId = object({ id: string });
const addKeyParams = object(SECRET_FIELDS, { label: keyLabel });
const changeKeyParams = object(SECRET_FIELDS, { label: keyLabel, id: string });

/** What the owner does with the keys of an encrypted store. */
export const KEY_OPERATIONS: readonly Operation[] = [
  operation({
    method: 'GET',
    route: '/v1/keys',
    answer: 'json',
    permission: KEY_OWNER,
    summary: 'How the store is encrypted, and its keys: nothing secret of them but the seed for cutting',
    params: noParams,
    result: answers.keys,
    claim: () => ({ kind: 'keys' }),
    what: () => 'the keys',
    run: ({ engine }) => engine.keys(),
  }),
  operation({
    method: 'POST',
    route: '/v1/keys',
    answer: 'json',
    permission: KEY_OWNER,
    summary: 'Let another key open the store',
    params: addKeyParams,
    result: answers.key,
    claim: () => ({ kind: 'keys' }),
    what: () => 'the keys',
    run: ({ engine }, { label, ...secret }) => engine.keyring().add({ secret: fromWireSecret(secret), label }),
  }),
  operation({
    method: 'POST',
    route: '/v1/keys/change',
    answer: 'json',
    permission: KEY_OWNER,
    summary: 'Put a new key in the place of one',
    details: 'Without "id" it is the one that the store was opened with. No data is written again.',
    params: changeKeyParams,
    result: answers.key,
    claim: () => ({ kind: 'keys' }),
    what: () => 'the keys',
    run: ({ engine }, { label, id, ...secret }) =>
      engine.keyring().change({ secret: fromWireSecret(secret), label }, id),
  }),
  operation({
    method: 'DELETE',
    route: '/v1/keys',
    answer: 'json',
    permission: KEY_OWNER,
    summary: 'Let a key no longer open the store',
    params: keyId,
    result: answers.keys,
    claim: () => ({ kind: 'keys' }),
    what: () => 'the keys',
    run: async ({ engine }, { id }) => {
      await engine.keyring().remove(id);
      return engine.keys();
    },
  }),
];
