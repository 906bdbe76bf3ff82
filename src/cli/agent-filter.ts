import type { Args } from './args.js';
import type { Session } from './session.js';

/** Put a filter over a directory of images; it goes on when this has ended. */
export async function startFilterCommand(args: Args, session: Session): Promise<'OK'> {
  const directory = args.path('TARGET');
  const [{ DEFAULT_STATE, readAgentConfig }, { filterState }, { startFilter }] = await Promise.all([
    import('../../agent/run/agent-config.js'),
    import('../../agent/trackers/filter/filter-state.js'),
    import('../../agent/filter/start-filter.js'),
  ]);
  const config = args.optionalText('config') === undefined ? undefined : readAgentConfig(args.path('config'));
  const state = args.optionalText('state') === undefined ? (config?.state ?? DEFAULT_STATE) : args.path('state');
  const pid = await startFilter({
    program: session.environment.filterProgram,
    directory,
    state: filterState(state, directory),
  });
  session.answer({ directory, pid }, () => `a filter follows what is written to ${directory} (process ${pid})\n`);
  return 'OK';
}
