import { UmbraError } from '../common/errors.js';
import {
  boolean,
  list,
  machine,
  object,
  oneOf,
  path,
  share,
  sharePath,
  string,
  validator,
  version,
  volume,
  type Validator,
} from '../common/params.js';

/** The parameters of each operation, as src/protocol/api.ts has them; unknown fields are refused. */

const imageFormat = oneOf('raw', 'qcow2', 'vhdx', 'vmdk', 'vdi', 'vpc');
const image = object({ path }, { name: volume, format: imageFormat });
const machineVersion = object({ machine, version });
const someVersion = object({}, { machine, version });
const anyMount = object({ mountPoint: path, allowOther: boolean, leased: boolean }, { machine, version });

export const noParams = object({});
export const stopParams = object({}, { whenIdle: boolean });
export const listParams = object({}, { machine });
export const backupParams = object({ machine, images: list(image, 1), configs: list(path), reread: boolean });
export const restoreParams = object({ machine, version, to: path }, { volume, merge: boolean });
export const exportParams = object({ machine, version, volume, to: path });
export const diffParams = object({ machine, from: version, toMachine: machine, to: version, exact: boolean });
export const forgetParams = object({ shadowCopies: list(machineVersion, 1), dryRun: boolean, force: boolean });
export const keepReplicaParams = object({ machine });
export const unmountParams = object({ mountPoint: path, force: boolean });

export const addShareParams = object({ name: share, machine, path: sharePath }, { force: boolean });
export const removeShareParams = object({ name: share });

export const verifyParams = versionNeedsMachine(someVersion);

export const mountParams = versionNeedsMachine(anyMount);

/** The last part of `DELETE /v1/jobs/ID`. */
export const jobId = validator(
  { type: 'string', pattern: '^[1-9]\\d{0,14}$', examples: ['1'] },
  (value, field): number => {
    const text = string(value, field);
    if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
    throw new UmbraError('BAD_ARGUMENT', `"${field}" must be the number of a job`);
  },
);

function versionNeedsMachine<P extends { readonly machine?: string; readonly version?: string }>(
  params: Validator<P>,
): Validator<P> {
  return validator({ ...params.schema, dependentRequired: { version: ['machine'] } }, (value, field) => {
    const valid = params(value, field);
    if (valid.version === undefined || valid.machine !== undefined) return valid;
    throw new UmbraError('BAD_ARGUMENT', '"version" needs "machine"');
  });
}
