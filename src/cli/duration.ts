import { durationMs } from '../common/durations.js';
import { UmbraError } from '../common/errors.js';

/** `90s`, `30min`, `12h` or `7d`, in seconds. @throws {UmbraError} BAD_ARGUMENT */
export function parseDuration(text: string, option: string): number {
  const ms = durationMs(text);
  if (ms !== undefined) return ms / 1000;
  throw new UmbraError('BAD_ARGUMENT', `--${option} must be a duration, not ${JSON.stringify(text)}`, {
    hint: 'Write 90s, 30min, 12h or 7d.',
  });
}
