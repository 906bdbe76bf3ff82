import { baseParser, defineCommand, printed } from './parse.js';
import { COMMANDS } from './registry.js';

/** What can come next on a command line that begins with `--get-yargs-completions umbra`, one suggestion a line. */
export async function completions(commandLine: readonly string[]): Promise<string> {
  const parser = baseParser(undefined);
  for (const { name, summary, load } of COMMANDS) {
    const { command } = await load();
    parser.command(`${name} ${command.usage}`.trimEnd(), summary, (own) => defineCommand(own, name, command));
  }
  return await printed(parser.completion('completion', false), commandLine);
}
