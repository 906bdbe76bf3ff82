import { UmbraError } from '../common/errors.js';

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600, d: 86_400 };

/** `90s`, `30min`, `12h` or `7d`, in seconds. @throws {UmbraError} BAD_ARGUMENT */
export function parseDuration(text: string, option: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,9})(s|min|h|d)$/.exec(text) ?? [];
  const seconds = Number(digits) * (UNIT_SECONDS[unit] ?? 0);
  if (seconds > 0) return seconds;
  throw new UmbraError('BAD_ARGUMENT', `--${option} must be a duration, not ${JSON.stringify(text)}`, {
    hint: 'Write 90s, 30min, 12h or 7d.',
  });
}
