import type { Command } from '../command.js';
import { completionScript } from '../completion-script.js';

export const command: Command = {
  usage: '',
  synopsis: '',
  description: 'Print a script that makes bash complete the commands and options of umbra.',
  examples: [['umbra completion > /etc/bash_completion.d/umbra', 'for all users']],
  next: 'For this shell alone: source <(umbra completion)',
  positionals: {},
  options: {},
  run: async (_args, session) => {
    const script = await completionScript();
    session.answer({ shell: 'bash', script }, () => script);
    return 'OK';
  },
};
