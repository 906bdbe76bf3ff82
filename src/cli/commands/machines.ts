import { requests } from '../../client/requests.js';
import type { MachineInfo, MachinesResult } from '../../protocol/agents-api.js';
import { flagOption, type Command } from '../command.js';
import { formatBytes } from '../format.js';
import { formatTable } from '../table.js';

export const command: Command = {
  usage: '',
  synopsis: '[--discover]',
  description: `List the machines that the agents of all hosts see, and those that are protected. A machine is protected under a
name of its own in the store; it keeps that when it is renamed on its host, or moves to another one.`,
  examples: [
    ['umbra machines', 'what the agents saw last'],
    ['umbra machines --discover', 'have them look again first'],
  ],
  next: 'Next: "umbra protect MACHINE" protects one, "umbra backup MACHINE" makes a shadow copy of it.',
  positionals: {},
  options: { discover: flagOption('Ask every agent to look again first') },
  run: async (args, session) => {
    const result = await session.run(requests.machines(args.flag('discover')));
    session.answer(result, () => describe(result));
    return 'OK';
  },
};

function describe({ machines, notes }: MachinesResult): string {
  const said = notes.map(({ host, note }) => `${host}: ${note}\n`).join('');
  if (machines.length === 0) {
    return `${said}No agent sees a machine. "umbra agent invite HOST" tells how to put an agent on a host.\n`;
  }
  const columns = [
    { title: 'MACHINE' },
    { title: 'HOST' },
    { title: 'STATE' },
    { title: 'FOUND BY' },
    { title: 'SIZE', right: true },
    { title: 'VOLUMES' },
    { title: 'PROTECTED' },
    { title: 'NEWEST' },
  ];
  return said + formatTable(columns, machines.map(row));
}

function row(info: MachineInfo): string[] {
  const { machine, host, hostName, isConnected, discovered, tracker, asIs, latest } = info;
  const volumes = discovered?.volumes ?? [];
  const sizes = volumes.map(({ sizeBytes }) => sizeBytes);
  const known = sizes.filter((size) => size !== undefined);
  const size = known.length < sizes.length || sizes.length === 0 ? '' : known.reduce((sum, bytes) => sum + bytes, 0);
  return [
    hostName,
    isConnected ? host : `${host} (no agent)`,
    discovered?.state ?? 'gone',
    discovered?.source ?? '',
    size === '' ? '' : formatBytes(size),
    (info.volumes ?? volumes.map(({ name }) => name)).join(' '),
    machine === undefined ? 'no' : `as ${machine}, ${tracker ?? 'auto'}${asIs === true ? ', files as they are' : ''}`,
    latest ?? '',
  ];
}
