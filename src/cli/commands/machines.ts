import { requests } from '../../client/requests.js';
import type { MachineInfo, MachinesResult } from '../../protocol/agents-api.js';
import { flagOption, word, type Command } from '../command.js';
import { formatBytes } from '../format.js';
import { describeMachines } from '../machine-details.js';
import { formatTable } from '../table.js';

export const command: Command = {
  usage: '[MACHINE]',
  synopsis: '[MACHINE] [--discover]',
  description: `List the machines that the agents of all hosts see, and those that are protected. A machine is protected under a
name of its own in the store; it keeps that when it is renamed on its host, or moves to another one. With MACHINE everything is
said of one: its images, what is not protected of it, and how its newest shadow copy was made, and why not by a better tracker.`,
  examples: [
    ['umbra machines', 'what the agents saw last'],
    ['umbra machines --discover', 'have them look again first'],
    ['umbra machines web1', 'all about one'],
  ],
  next: 'Next: "umbra protect MACHINE" protects one, "umbra backup MACHINE" makes a shadow copy of it.',
  positionals: { MACHINE: word('Its name in the store or on its host, or its UUID') },
  options: { discover: flagOption('Ask every agent to look again first') },
  run: async (args, session) => {
    const machine = args.optionalText('MACHINE');
    const result = await session.run(
      requests.machines({ discover: args.flag('discover'), ...(machine === undefined ? {} : { machine }) }),
    );
    session.answer(result, () => {
      if (machine === undefined) return describe(result);
      return describeMachines(result, session.environment.stdout.terminalColumns());
    });
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
  const { machine, host, hostName, isConnected, discovered, tracker, asIs, latest, lettingGo } = info;
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
    machine === undefined
      ? `no${lettingGo === undefined ? '' : ', not all is taken away'}`
      : `as ${machine}, ${tracker ?? 'auto'}${asIs === true ? ', files as they are' : ''}`,
    latest ?? '',
  ];
}
