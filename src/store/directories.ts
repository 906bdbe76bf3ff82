import { stat } from 'node:fs/promises';
import { systemCode } from '../common/errors.js';

/** True if there is something of that name. */
export async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
