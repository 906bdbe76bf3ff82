import { UmbraError } from '../common/errors.js';
import { checkHostName, LONG_NAME } from '../common/names.js';
import {
  boolean,
  list,
  machine,
  named,
  object,
  oneOf,
  path,
  string,
  validator,
  volume,
  whole,
} from '../common/params.js';

/** The parameters of operations about agents and what they see; unknown fields are refused. */

const MAX_HOST_NAME = 255;
const MAX_VOLUME_BYTES = 2 ** 60;

const hostName = validator({ ...string.schema, maxLength: MAX_HOST_NAME }, (value, field): string => {
  const text = string(value, field);
  if (text.length <= MAX_HOST_NAME) return text;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must have at most ${MAX_HOST_NAME} characters`);
});

const host = named(LONG_NAME, 'hv1', checkHostName);

const bytes = whole(0, MAX_VOLUME_BYTES, 'a number of bytes');

const amount = validator({ type: 'number', minimum: 0 }, (value, field): number => {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a number that is not negative`);
});

const format = oneOf('raw', 'qcow2', 'vhdx', 'vmdk', 'vdi', 'vpc');
const tracker = oneOf('qemu-bitmap', 'filter', 'differencing', 'scan');
const discoveredVolume = object({ name: volume, path, format, backing: list(path) }, { sizeBytes: bytes });
const discoveredMachine = object(
  {
    name: hostName,
    source: oneOf('libvirt', 'qmp', 'config-file', 'directory', 'guest'),
    state: oneOf('running', 'paused', 'off', 'unknown'),
    volumes: list(discoveredVolume),
    skipped: list(object({ name: string, reason: string })),
    configPaths: list(path),
  },
  { uuid: string },
);

export const reportParams = object({ machines: list(discoveredMachine), notes: list(string) });
export const machinesParams = object({ discover: boolean }, { machine: hostName });
export const protectParams = object(
  { machine: hostName },
  {
    host,
    as: machine,
    volumes: list(volume, 1),
    tracker: oneOf('auto', 'qemu-bitmap', 'filter', 'differencing', 'scan'),
    asIs: boolean,
  },
);
export const unprotectParams = object({ machine });
export const agentBackupParams = object({ machine });

const result = object(
  {
    shadowCopy: string,
    tracker,
    consistency: oneOf('offline', 'application', 'filesystem', 'crash', 'none'),
    pauseMs: amount,
    readBytes: amount,
    sentBytes: amount,
    notes: list(string),
  },
  { trackerReason: string },
);

export const outcomeParams = object(
  { id: string },
  { result, error: object({ code: string, message: string }, { hint: string }) },
);
export const aliveParams = object({});
export const tasksParams = object({}, { running: string });
