import { BLOCKS_PER_REGION, REGION_BYTES } from '../codec/formats.js';
import { UmbraError } from '../common/errors.js';
import type { JsonSchema } from '../common/json-schema.js';
import type { WireFrame } from '../protocol/frames.js';
import type { AgentFrame } from '../protocol/ingest.js';
import { list, machine, object, oneOf, shadowCopy, string, validator, volume, whole } from '../common/params.js';

/** More would be no machine: 1024 disks of 256 TiB. */
const MAX_VOLUMES = 1024;
const MAX_VOLUME_BYTES = 2 ** 48;
const MAX_REGION = MAX_VOLUME_BYTES / REGION_BYTES;
const MAX_NOTES = 32;
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;
const WEEK_MS = 7 * 24 * 60 * 60 * 1000;
/** What is sensible of it, the upload knows: it looks how long it took itself. */
const CENTURY_MS = 36_525 * 24 * 60 * 60 * 1000;

const rest = oneOf('base', 'holes');
const format = oneOf('raw', 'qcow2', 'vhdx', 'vmdk', 'vdi', 'vpc');
const ingestVolume = object(
  { name: volume, path: string, format, sizeBytes: whole(0, MAX_VOLUME_BYTES), rest },
  { fingerprint: string },
);
const place = { volume: whole(0, MAX_VOLUMES), region: whole(0, MAX_REGION) };

const checkpoint = validator({ type: 'string', pattern: '^[a-z0-9]{1,32}$' }, (value, field): string => {
  if (typeof value === 'string' && /^[a-z0-9]{1,32}$/.test(value)) return value;
  throw new UmbraError('BAD_ARGUMENT', `"${field}" must be 1 to 32 of a-z and 0-9`);
});

const RANGES = { type: 'array', items: whole(0, BLOCKS_PER_REGION).schema, maxItems: 2 * BLOCKS_PER_REGION } as const;

/** Pairs of first block and number of blocks, in order, not overlapping, inside a region. */
const ranges = validator(RANGES, (value, field): readonly number[] => {
  // Made only if it is thrown: there are two of them in each frame.
  const wrong = (): UmbraError => new UmbraError('BAD_ARGUMENT', `"${field}" must be ranges of blocks in order`);
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > 2 * BLOCKS_PER_REGION) throw wrong();
  const block = whole(0, BLOCKS_PER_REGION);
  const numbers = value.map((entry: unknown) => block(entry, field));
  let end = 0;
  for (let index = 0; index < numbers.length; index += 2) {
    const first = numbers[index] ?? 0;
    const count = numbers[index + 1] ?? 0;
    if (first < end || count === 0 || first + count > BLOCKS_PER_REGION) throw wrong();
    end = first + count;
  }
  return numbers;
});

const FRAMES = {
  begin: object(
    { t: oneOf('begin'), machine, checkpoint, volumes: list(ingestVolume, 1, MAX_VOLUMES) },
    { base: shadowCopy },
  ),
  resume: object({ t: oneOf('resume'), upload: string }),
  giveUp: object({ t: oneOf('giveUp'), upload: string }),
  blocks: object({ t: oneOf('blocks'), ...place, data: ranges, zeros: ranges }),
  leaf: object({ t: oneOf('leaf'), ...place }),
  chunks: object({ t: oneOf('chunks'), ...place }),
  alive: object({ t: oneOf('alive'), volume: place.volume, position: whole(0, MAX_VOLUME_BYTES) }),
  end: object({
    t: oneOf('end'),
    ageMs: whole(0, CENTURY_MS),
    consistency: oneOf('offline', 'application', 'filesystem', 'crash', 'none'),
    tracker: oneOf('qemu-bitmap', 'filter', 'differencing', 'scan'),
    pauseMs: whole(0, WEEK_MS),
    notes: list(string, 0, MAX_NOTES),
    config: list(object({ name: string, bytes: whole(0, MAX_CONFIG_BYTES) })),
  }),
};

/** What the header of a frame of an agent is. */
export const AGENT_FRAME: JsonSchema = {
  title: 'AgentFrame',
  anyOf: Object.values(FRAMES).map(({ schema }) => schema),
};

/** @throws {UmbraError} BAD_ARGUMENT, BAD_NAME naming the field */
export function parseAgentFrame({ header }: WireFrame): AgentFrame {
  const type = header['t'];
  const kind = Object.keys(FRAMES).find((name): name is keyof typeof FRAMES => name === type);
  if (kind === undefined) throw new UmbraError('BAD_ARGUMENT', '"t" must be the type of a frame');
  return FRAMES[kind](header, '');
}
