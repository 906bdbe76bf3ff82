import { UmbraError } from '../../src/common/errors.js';
import {
  boolean,
  list,
  object,
  oneOf,
  path,
  string,
  validator,
  whole,
  type Validator,
} from '../../src/common/params.js';
import { parseYaml, readYamlFile, type FieldChecks } from '../../src/system/yaml-file.js';

/** What `umbra agent run --config FILE` reads. */
export interface AgentConfig {
  /** The directory of the enrolment, and of all that the agent keeps. */
  readonly state: string;
  /** `auto`, `off`, a URI or the path of a socket. */
  readonly libvirt: string;
  readonly qmp: readonly QmpMachine[];
  /** Directories with configuration files of virtual server software. */
  readonly configFiles: readonly string[];
  /** Directories all of whose images are machines. */
  readonly directories: readonly string[];
  /** Block devices of the machine that the agent runs in, or all of its disks: then it is a machine that is seen, too. */
  readonly devices?: 'auto' | readonly string[];
  /** Directories that a filter follows: "umbra agent filter" runs it. */
  readonly filters: readonly string[];
  /** Where what a guest overwrites during its backup goes. */
  readonly scratch: string;
  /** Bring the guests' file systems to rest, where a guest has QEMU's agent. */
  readonly quiesce: boolean;
  /** How long a guest may take for that, seconds. */
  readonly freezeSeconds: number;
  readonly scripts?: ScriptsConfig;
  /** How many backups run at a time. */
  readonly backups: number;
  /** How often the agent looks for machines, seconds. */
  readonly discoverSeconds: number;
}

export interface QmpMachine {
  readonly name: string;
  readonly socket: string;
  readonly guestAgent?: string;
  /** Whoever starts it starts it from the newest overlay: then the tracker `differencing` may leave overlays on its images. */
  readonly overlays?: boolean;
}

export interface ScriptsConfig {
  readonly before?: string;
  readonly after?: string;
  readonly timeoutSeconds?: number;
  readonly onFailure?: 'abort' | 'continue';
  readonly application?: boolean;
}

export const DEFAULT_STATE = '/var/lib/umbra-agent';
const DAY_SECONDS = 86_400;

const FIELDS: FieldChecks<AgentConfig> = {
  state: path,
  libvirt: string,
  qmp: list(object({ name: string, socket: path }, { guestAgent: path, overlays: boolean })),
  configFiles: list(path),
  directories: list(path),
  devices: (value, field) => (value === 'auto' ? value : list(path, 1)(value, field)),
  filters: list(path),
  scratch: path,
  quiesce: boolean,
  freezeSeconds: seconds(0.1, 600),
  scripts: object(
    {},
    {
      before: path,
      after: path,
      timeoutSeconds: seconds(0.1, DAY_SECONDS),
      onFailure: oneOf('abort', 'continue'),
      application: boolean,
    },
  ),
  backups: whole(1, 64),
  discoverSeconds: seconds(1, DAY_SECONDS),
};

const DEFAULTS: AgentConfig = {
  state: DEFAULT_STATE,
  libvirt: 'auto',
  qmp: [],
  configFiles: [],
  directories: [],
  filters: [],
  scratch: '/var/tmp/umbra-agent',
  quiesce: true,
  freezeSeconds: 10,
  backups: 2,
  discoverSeconds: 60,
};

/** @throws {UmbraError} BAD_ARGUMENT with the line, and what is allowed there */
export function readAgentConfig(file: string | undefined): AgentConfig {
  return file === undefined ? DEFAULTS : { ...DEFAULTS, ...readYamlFile(file, FIELDS) };
}

/** @param file for messages */
export function parseAgentConfig(text: string, file: string): AgentConfig {
  return { ...DEFAULTS, ...parseYaml(text, file, FIELDS) };
}

function seconds(least: number, most: number): Validator<number> {
  return validator({ type: 'number', minimum: least, maximum: most }, (value, field) => {
    if (typeof value === 'number' && value >= least && value <= most) return value;
    throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a number of seconds from ${least} to ${most}`);
  });
}
