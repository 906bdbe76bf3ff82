import { UmbraError } from '../common/errors.js';
import { checkAdministratorName, checkHostName } from '../common/names.js';
import { object, string, type Validator } from '../common/params.js';

/** The parameters of requests about who may use the server, as src/protocol/access-api.ts has them. */

const MAX_LIFE_SECONDS = 10 * 365 * 86_400;
const MAX_PEM_CHARACTERS = 8192;

const lifeSeconds: Validator<number> = (value, field) => {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_LIFE_SECONDS) return value;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a whole number from 1 to ${MAX_LIFE_SECONDS}`);
};

const pem: Validator<string> = (value, field) => {
  if (typeof value === 'string' && value !== '' && value.length <= MAX_PEM_CHARACTERS) return value;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a text of 1 to ${MAX_PEM_CHARACTERS} characters`);
};

const host: Validator<string> = (value, field) => checkHostName(string(value, field));
const name: Validator<string> = (value, field) => checkAdministratorName(string(value, field));

export const addTokenParams = object({ name }, { lifeSeconds });
export const removeTokenParams = object({ name });
export const certificateParams = object({ request: pem });
export const inviteParams = object({ host, lifeSeconds });
export const enrolParams = object({ token: string, host, request: pem });
export const revokeAgentParams = object({ host });
