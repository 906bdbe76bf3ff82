import type { Command } from './command.js';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly CommandEntry[];
}

/** Every command, by what one wants to do. Only the one that is called is loaded. */
export const COMMAND_GROUPS: readonly CommandGroup[] = [
  {
    title: 'Protect',
    commands: [
      {
        name: 'backup',
        summary: 'Make a shadow copy of a machine from its disk images',
        load: () => import('./commands/backup.js'),
      },
      {
        name: 'machines',
        summary: 'List the machines that agents see, and those that are protected',
        load: () => import('./commands/machines.js'),
      },
      {
        name: 'protect',
        summary: "Have a machine's agent make its shadow copies",
        load: () => import('./commands/protect.js'),
      },
      {
        name: 'unprotect',
        summary: 'No longer protect a machine; its shadow copies stay',
        load: () => import('./commands/unprotect.js'),
      },
      {
        name: 'policy',
        summary: 'Say how often shadow copies are made, and how long they are kept',
        load: () => import('./commands/policy.js'),
      },
      { name: 'init', summary: 'Make an empty store', load: () => import('./commands/init.js') },
    ],
  },
  {
    title: 'Look',
    commands: [
      { name: 'list', summary: 'List the shadow copies', load: () => import('./commands/list.js') },
      { name: 'mount', summary: 'Show all shadow copies as files', load: () => import('./commands/mount.js') },
      { name: 'unmount', summary: 'End a mount', load: () => import('./commands/unmount.js') },
      {
        name: 'diff',
        summary: 'Show what changed between two shadow copies',
        load: () => import('./commands/diff.js'),
      },
      {
        name: 'ls',
        summary: 'List files inside volumes',
        load: () => import('./commands/ls.js'),
      },
      { name: 'cat', summary: 'Print a file inside a volume', load: () => import('./commands/cat.js') },
      { name: 'find', summary: 'Find files inside volumes', load: () => import('./commands/find.js') },
      {
        name: 'history',
        summary: 'Show the versions of a file in all shadow copies',
        load: () => import('./commands/history.js'),
      },
      { name: 'stats', summary: 'Show how much the store holds and takes', load: () => import('./commands/stats.js') },
    ],
  },
  {
    title: 'Share',
    commands: [
      {
        name: 'share',
        summary: 'Show the shadow copies of a directory as previous versions on the network',
        load: () => import('./commands/share.js'),
      },
    ],
  },
  {
    title: 'Bring back',
    commands: [
      {
        name: 'cp',
        summary: 'Copy files and directories out of a shadow copy',
        load: () => import('./commands/cp.js'),
      },
      {
        name: 'restore',
        summary: 'Write volumes of a shadow copy to files or devices',
        load: () => import('./commands/restore.js'),
      },
      { name: 'export', summary: 'Write a volume to a qcow2 image', load: () => import('./commands/export.js') },
    ],
  },
  {
    title: 'Keep in order',
    commands: [
      {
        name: 'prune',
        summary: 'Delete the shadow copies that the policies do not keep',
        load: () => import('./commands/prune.js'),
      },
      {
        name: 'acknowledge',
        summary: 'Say that a sudden change of a machine is as it should be',
        load: () => import('./commands/acknowledge.js'),
      },
      { name: 'forget', summary: 'Delete shadow copies', load: () => import('./commands/forget.js') },
      { name: 'gc', summary: 'Give back the space of what was deleted', load: () => import('./commands/gc.js') },
      {
        name: 'verify',
        summary: 'Read everything and compare it with its digests',
        load: () => import('./commands/verify.js'),
      },
      {
        name: 'scrub',
        summary: 'Show how far reading everything again is, or do it now',
        load: () => import('./commands/scrub.js'),
      },
      {
        name: 'damage',
        summary: 'Name what is damaged: shadow copies, volumes and files',
        load: () => import('./commands/damage.js'),
      },
      {
        name: 'rebuild',
        summary: 'Make the index and the catalog again from the objects',
        load: () => import('./commands/rebuild.js'),
      },
    ],
  },
  {
    title: 'The server',
    commands: [
      { name: 'key', summary: 'Say who can open an encrypted store', load: () => import('./commands/key.js') },
      {
        name: 'serve',
        summary: 'Run the server of a store in the foreground',
        load: () => import('./commands/serve.js'),
      },
      { name: 'status', summary: 'Show what the server does', load: () => import('./commands/status.js') },
      {
        name: 'alerts',
        summary: 'List what goes wrong, and try who is told of it',
        load: () => import('./commands/alerts.js'),
      },
      {
        name: 'jobs',
        summary: 'List what the server does by itself, and when',
        load: () => import('./commands/jobs.js'),
      },
      { name: 'job', summary: 'Show, follow or cancel a job of the server', load: () => import('./commands/job.js') },
      { name: 'stop', summary: 'End the server', load: () => import('./commands/stop.js') },
      { name: 'login', summary: 'Log in to a server elsewhere', load: () => import('./commands/login.js') },
      { name: 'logout', summary: 'End a log-in', load: () => import('./commands/logout.js') },
      {
        name: 'token',
        summary: "Make, list and remove administrators' tokens",
        load: () => import('./commands/token.js'),
      },
    ],
  },
  {
    title: 'Hosts',
    commands: [
      { name: 'agents', summary: 'List the hosts that have an agent', load: () => import('./commands/agents.js') },
      { name: 'agent', summary: 'Let agents in and out', load: () => import('./commands/agent.js') },
    ],
  },
  {
    title: 'Umbra itself',
    commands: [
      { name: 'version', summary: 'Show the version', load: () => import('./commands/version.js') },
      {
        name: 'completion',
        summary: 'Print a script that makes bash complete commands',
        load: () => import('./commands/completion.js'),
      },
    ],
  },
];

export const COMMANDS: readonly CommandEntry[] = COMMAND_GROUPS.flatMap((group) => group.commands);
