import { baseParser, printed } from './parse.js';

/** The script that makes bash complete `umbra`; it asks `umbra --get-yargs-completions` (completions.ts). */
export async function completionScript(): Promise<string> {
  return await printed(baseParser(undefined).completion('completion', false), ['completion']);
}
