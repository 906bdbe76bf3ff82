import { PROTOCOL_VERSION, VERSION } from '../../protocol/version.js';
import type { Command } from '../command.js';

export const command: Command = {
  usage: '',
  synopsis: '',
  description: 'Show the version of Umbra.',
  examples: [['umbra version --json', 'with the versions of Node.js and of the protocol']],
  next: 'Next: "umbra status" shows the version of a running server.',
  positionals: {},
  options: {},
  run: (_args, session) => {
    session.answer({ version: VERSION, protocol: PROTOCOL_VERSION, node: process.version }, () => `umbra ${VERSION}\n`);
    return Promise.resolve('OK');
  },
};
