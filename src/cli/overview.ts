import { COMMAND_GROUPS } from './registry.js';

const NAME_WIDTH = 12;

/** What `umbra` alone and `umbra --help` show. */
export function overview(): string {
  const groups = COMMAND_GROUPS.map(({ title, commands }) => {
    const rows = commands.map(({ name, summary }) => `  ${name.padEnd(NAME_WIDTH)}${summary}`);
    return [`${title}:`, ...rows].join('\n');
  });
  return `Umbra protects virtual machines: every shadow copy, all the time, as files under one mount.

Usage: umbra COMMAND [ARGUMENTS] [--store DIR | --server URL] [--json]

${groups.join('\n\n')}

Every command:
  --store DIR  The store; without it $UMBRA_STORE, else /var/lib/umbra for root and
               ~/.local/share/umbra for everyone else
  --server URL A server elsewhere instead ($UMBRA_SERVER); "umbra login URL" comes first,
               or an administrator's token with --token-file FILE or $UMBRA_TOKEN
  --json       Print one JSON document on standard output, and nothing else
  --help       Explain the command, with examples

Start here:
  umbra backup web1 /var/lib/libvirt/images/web1.qcow2
  umbra mount /mnt/umbra --background
  cp /mnt/umbra/web1/latest/volumes/vda.raw .
`;
}
