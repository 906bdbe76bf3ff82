import { UmbraError } from '../common/errors.js';
import { checkAdministratorName, checkHostName, LONG_NAME, SHORT_NAME } from '../common/names.js';
import { named, object, string, validator, whole } from '../common/params.js';

/** The parameters of requests about who may use the server, as src/protocol/access-api.ts has them. */

const MAX_LIFE_SECONDS = 10 * 365 * 86_400;
const MAX_PEM_CHARACTERS = 8192;

const lifeSeconds = whole(1, MAX_LIFE_SECONDS);

const pem = validator({ type: 'string', minLength: 1, maxLength: MAX_PEM_CHARACTERS }, (value, field): string => {
  if (typeof value === 'string' && value !== '' && value.length <= MAX_PEM_CHARACTERS) return value;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a text of 1 to ${MAX_PEM_CHARACTERS} characters`);
});

const host = named(LONG_NAME, 'hv1', checkHostName);
const name = named(SHORT_NAME, 'anna', checkAdministratorName);

export const addTokenParams = object({ name }, { lifeSeconds });
export const removeTokenParams = object({ name });
export const certificateParams = object({ request: pem });
export const inviteParams = object({ host, lifeSeconds });
export const enrolParams = object({ token: string, host, request: pem });
export const revokeAgentParams = object({ host });
