import { isHostName, isMachineName, isVolumeName } from '../common/names.js';
import type { ProtectedMachine, TrackerChoice } from '../protocol/agents-api.js';

export const TRACKER_CHOICES: readonly TrackerChoice[] = ['auto', 'qemu-bitmap', 'filter', 'differencing', 'scan'];
const MAX_HOST_NAME = 255;

/** A protected machine of a store's settings; none if it is not right, which a newer version may have written. */
export function parseProtectedMachine(value: unknown): ProtectedMachine[] {
  const { name, host, hostName, uuid, volumes, tracker, asIs } = Object(value) as Readonly<Record<string, unknown>>;
  const choice = TRACKER_CHOICES.find((candidate) => candidate === tracker);
  if (typeof name !== 'string' || !isMachineName(name) || choice === undefined) return [];
  if (typeof host !== 'string' || !isHostName(host)) return [];
  if (typeof hostName !== 'string' || hostName === '' || hostName.length > MAX_HOST_NAME) return [];
  const names = parseVolumes(volumes);
  if (names === undefined || (uuid !== undefined && typeof uuid !== 'string')) return [];
  const machine = { name, host, hostName, tracker: choice };
  return [
    {
      ...machine,
      ...(uuid === undefined ? {} : { uuid }),
      ...(names.length === 0 ? {} : { volumes: names }),
      ...(asIs === true ? { asIs } : {}),
    },
  ];
}

/** @returns undefined if it is not right */
function parseVolumes(value: unknown): string[] | undefined {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return undefined;
  const names = value.filter((name): name is string => typeof name === 'string' && isVolumeName(name));
  return names.length === value.length && names.length > 0 ? names : undefined;
}
