import type { Command } from '../command.js';
import { textOption } from '../command.js';
import { DEFAULT_IDLE_SECONDS, MAX_IDLE_SECONDS } from '../session.js';

export const command: Command = {
  usage: '',
  synopsis: '[--idle-exit SECONDS]',
  description: `Run the server of a store in the foreground, until Ctrl-C, SIGTERM or "umbra stop". Every command that needs a server
starts one by itself, which ends after ${DEFAULT_IDLE_SECONDS} s with nothing to do and nothing mounted ($UMBRA_IDLE_SECONDS); "serve" is for
service managers and for watching. It logs to standard error: on a terminal for people, else as JSON.`,
  examples: [['umbra serve --store /srv/umbra', 'for a systemd unit']],
  next: 'Next: "umbra status" from another terminal shows what it does.',
  positionals: {},
  options: { 'idle-exit': textOption('End after so many seconds with nothing to do; never without it') },
  run: async (args, session) => {
    const idleSeconds = args.optionalInteger('idle-exit', 0, MAX_IDLE_SECONDS);
    const [{ serveInForeground }, parts] = await Promise.all([
      import('../../server/serve.js'),
      session.environment.serverParts(),
    ]);
    await serveInForeground({
      store: session.store,
      ...(idleSeconds === undefined ? {} : { idleExitMs: idleSeconds * 1000 }),
      parts,
      onReady: () => {
        session.answer({ store: session.store, pid: process.pid }, () => '');
      },
    });
    return 'OK';
  },
};
