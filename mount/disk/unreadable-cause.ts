import { isUmbraError } from '../../src/common/errors.js';
import type { UnreadableCause } from './block-device.js';

/** What an error says of that which could not be opened: all that is not said to be of another kind is damage. */
export function causeOf(error: unknown): UnreadableCause {
  return isUmbraError(error, 'FILESYSTEM_UNREADABLE') ? 'not-read' : 'damaged';
}
