import { UmbraError } from '../common/errors.js';
import { stderrLog } from '../system/line-log.js';
import { keepFreedMemory } from '../system/malloc.js';
import type { Args } from './args.js';
import type { Session } from './session.js';

/** Be the agent of this host, until the command is interrupted. */
export async function runAgentCommand(args: Args, session: Session): Promise<'OK'> {
  const file = args.optionalText('config') === undefined ? undefined : args.path('config');
  const [{ readAgentConfig }, { runAgent }] = await Promise.all([
    import('../../agent/run/agent-config.js'),
    import('../../agent/run/run-agent.js'),
  ]);
  const config = readAgentConfig(file);
  const state = args.optionalText('state') === undefined ? config.state : args.path('state');
  const { clock, interrupted } = session.environment;
  keepFreedMemory();
  const stop = new AbortController();
  const end = (): void => {
    stop.abort(new UmbraError('CANCELLED', 'cancelled'));
  };
  interrupted.addEventListener('abort', end);
  const signals = ['SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, end);
  try {
    await runAgent({ config: { ...config, state }, clock, log: stderrLog(clock), signal: stop.signal });
  } finally {
    for (const signal of signals) process.removeListener(signal, end);
  }
  return 'OK';
}
