import { BLOCKS_PER_REGION, REGION_BYTES } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import type { WireFrame } from '../protocol/frames.js';
import type { AgentFrame } from '../protocol/ingest.js';
import { isShadowCopyName } from '../common/names.js';
import { list, machine, object, oneOf, string, volume, type Validator } from '../common/params.js';

/** More would be no machine: 1024 disks of 256 TiB. */
const MAX_VOLUMES = 1024;
const MAX_VOLUME_BYTES = 2 ** 48;
const MAX_REGION = MAX_VOLUME_BYTES / REGION_BYTES;
const MAX_NOTES = 32;
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
const WEEK_MS = 7 * 24 * 60 * 60 * 1000;

const rest = oneOf('base', 'holes');
const format = oneOf('raw', 'qcow2', 'vhdx', 'vmdk', 'vdi', 'vpc');
const ingestVolume = object({ name: volume, path: string, format, sizeBytes: whole(MAX_VOLUME_BYTES), rest });
const place = { volume: whole(MAX_VOLUMES), region: whole(MAX_REGION) };

const FRAMES = {
  begin: object(
    { t: oneOf('begin'), machine, checkpoint, volumes: atMost(MAX_VOLUMES, list(ingestVolume, 1)) },
    { base: shadowCopy },
  ),
  resume: object({ t: oneOf('resume'), upload: string }),
  blocks: object({ t: oneOf('blocks'), ...place, data: ranges, zeros: ranges }),
  leaf: object({ t: oneOf('leaf'), ...place }),
  chunks: object({ t: oneOf('chunks'), ...place }),
  alive: object({ t: oneOf('alive'), volume: place.volume, position: whole(MAX_VOLUME_BYTES) }),
  end: object({
    t: oneOf('end'),
    ageMs: whole(WEEK_MS),
    consistency: oneOf('offline', 'application', 'filesystem', 'crash', 'none'),
    tracker: oneOf('qemu-bitmap', 'filter', 'differencing', 'scan'),
    pauseMs: whole(WEEK_MS),
    notes: atMost(MAX_NOTES, list(string)),
    config: list(object({ name: string, bytes: whole(MAX_CONFIG_BYTES) })),
  }),
};

/** @throws {UmbraError} BAD_ARGUMENT, BAD_NAME naming the field */
export function parseAgentFrame({ header }: WireFrame): AgentFrame {
  const type = header['t'];
  const kind = Object.keys(FRAMES).find((name): name is keyof typeof FRAMES => name === type);
  if (kind === undefined) throw new UmbraError('BAD_ARGUMENT', '"t" must be the type of a frame');
  return FRAMES[kind](header, '');
}

function whole(most: number): Validator<number> {
  return (value, field) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
    throw new UmbraError('BAD_ARGUMENT', `"${field}" must be a whole number from 0 to ${most}`);
  };
}

function checkpoint(value: unknown, field: string): string {
  if (typeof value === 'string' && /^[a-z0-9]{1,32}$/.test(value)) return value;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be 1 to 32 of a-z and 0-9`);
}

function shadowCopy(value: unknown, field: string): string {
  if (typeof value === 'string' && isShadowCopyName(value)) return value;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be the name of a shadow copy`);
}

function atMost<T>(most: number, items: Validator<readonly T[]>): Validator<readonly T[]> {
  return (value, field) => {
    const valid = items(value, field);
    if (valid.length <= most) return valid;
    throw new UmbraError('BAD_ARGUMENT', `"${field}" must have at most ${most} items`);
  };
}

/** Pairs of first block and number of blocks, in order, not overlapping, inside a region. */
function ranges(value: unknown, field: string): readonly number[] {
  const wrong = new UmbraError('BAD_ARGUMENT', `"${field}" must be ranges of blocks in order`);
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > 2 * BLOCKS_PER_REGION) throw wrong;
  const block = whole(BLOCKS_PER_REGION);
  const numbers = value.map((entry: unknown) => block(entry, field));
  let end = 0;
  for (let index = 0; index < numbers.length; index += 2) {
    const first = numbers[index] ?? 0;
    const count = numbers[index + 1] ?? 0;
    if (first < end || count === 0 || first + count > BLOCKS_PER_REGION) throw wrong;
    end = first + count;
  }
  return numbers;
}
