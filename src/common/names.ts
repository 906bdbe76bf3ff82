import { UmbraError } from './errors.js';

/** Of machines and hosts. */
export const LONG_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** Of volumes and administrators. */
export const SHORT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** As {@link shadowCopyName} makes it. */
export const SHADOW_COPY_NAME = /^\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z(-[1-9]\d{0,5})?$/;

/** @throws {UmbraError} BAD_NAME */
export function checkMachineName(name: string): string {
  return check(LONG_NAME, name, 'machine', 128);
}

/** @throws {UmbraError} BAD_NAME */
export function checkVolumeName(name: string): string {
  return check(SHORT_NAME, name, 'volume', 64);
}

/** @throws {UmbraError} BAD_NAME */
export function checkHostName(name: string): string {
  return check(LONG_NAME, name, 'host', 128);
}

/** @throws {UmbraError} BAD_NAME */
export function checkAdministratorName(name: string): string {
  return check(SHORT_NAME, name, 'administrator', 64);
}

/** True if `name` may be the name of a host that runs an agent. */
export function isHostName(name: string): boolean {
  return LONG_NAME.test(name);
}

/** True if `name` may be an administrator's name. */
export function isAdministratorName(name: string): boolean {
  return SHORT_NAME.test(name);
}

/** True if `name` may be a machine's name. */
export function isMachineName(name: string): boolean {
  return LONG_NAME.test(name);
}

/** True if `name` may be a volume's name. */
export function isVolumeName(name: string): boolean {
  return SHORT_NAME.test(name);
}

/** True if `name` has the form of a shadow copy's name, as {@link shadowCopyName} makes it. */
export function isShadowCopyName(name: string): boolean {
  return SHADOW_COPY_NAME.test(name);
}

/**
 * The name of a shadow copy: UTC to the second, `2026-11-22T10-15-00Z`; the `attempt`-th one of
 * that second (from 2) gets `-2`, `-3`, …
 */
export function shadowCopyName(timeMs: number, attempt = 1): string {
  const second = new Date(timeMs).toISOString().slice(0, 19).replaceAll(':', '-') + 'Z';
  return attempt === 1 ? second : `${second}-${attempt}`;
}

/** `MACHINE`, `MACHINE@VERSION`, `MACHINE@latest` or `MACHINE@replica`, split; `version` is `latest` when there is none. */
export interface MachineVersion {
  readonly machine: string;
  readonly version: string;
}

/** @throws {UmbraError} BAD_NAME */
export function parseMachineVersion(text: string): MachineVersion {
  const at = text.indexOf('@');
  const machine = checkMachineName(at < 0 ? text : text.slice(0, at));
  const version = at < 0 ? 'latest' : text.slice(at + 1);
  if (version !== 'latest' && version !== 'replica' && !isShadowCopyName(version)) {
    throw new UmbraError('BAD_NAME', `"${version}" is not the name of a shadow copy`, {
      hint: `Use a name that "umbra list ${machine}" shows, or "latest" or "replica".`,
    });
  }
  return { machine, version };
}

function check(pattern: RegExp, name: string, kind: string, longest: number): string {
  if (pattern.test(name)) return name;
  throw new UmbraError('BAD_NAME', `${JSON.stringify(name)} is not a ${kind} name`, {
    hint: `Use letters, digits, ".", "_" and "-", beginning with a letter or digit, at most ${longest} characters.`,
  });
}
