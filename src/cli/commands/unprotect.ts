import { requests } from '../../client/requests.js';
import { checkMachineName } from '../../common/names.js';
import { word, type Command } from '../command.js';
import { describeLettingGo } from '../letting-go.js';

export const command: Command = {
  usage: '<MACHINE>',
  synopsis: 'MACHINE',
  description: `No longer protect a machine. Its shadow copies stay until they are forgotten, and a replica that is newer becomes one; its agent takes away what it kept to
follow its changes: now, or when it is connected again. Where it can't take away all of it, it is said what is left and why; given again,
it tries again.`,
  examples: [['umbra unprotect web1', '']],
  next: 'Next: "umbra forget MACHINE@SHADOW-COPY" deletes shadow copies.',
  positionals: { MACHINE: word('Its name in the store') },
  options: {},
  run: async (args, session) => {
    const machine = await session.call(requests.unprotect({ machine: checkMachineName(args.text('MACHINE')) }));
    session.answer(machine, () => {
      const { name, host } = machine;
      const lines = [
        `${name} is no longer protected; its shadow copies stay`,
        ...(machine.shadowCopy === undefined
          ? []
          : [`Its replica is the shadow copy ${name}@${machine.shadowCopy} now.`]),
        ...describeLettingGo(name, host, machine),
      ];
      return lines.map((line) => `${line}\n`).join('');
    });
    return 'OK';
  },
};
