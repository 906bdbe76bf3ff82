import type { ShareInfo } from '../protocol/shares-api.js';

/**
 * The section of Samba's smb.conf for a share: the newest shadow copy's files, with the others as their previous
 * versions.
 * @param mountPoint where all shadow copies are mounted
 */
export function smbConfSection({ name, machine, path }: ShareInfo, mountPoint: string): string {
  const share = `${mountPoint === '/' ? '' : mountPoint}/.shares/${name}`;
  const settings: readonly (readonly [string, string])[] = [
    ['comment', `Shadow copies of ${machine}:/${path}`],
    ['path', `${share}/live`],
    ['read only', 'yes'],
    ['vfs objects', 'shadow_copy2 acl_xattr'],
    ['shadow:snapdir', `${share}/.snapshots`],
    // Samba resolves `live`, and could not make a path in a snapshot from where it leads: each snapshot is the share.
    ['shadow:snapsharepath', '.'],
    ['shadow:format', '@GMT-%Y.%m.%d-%H.%M.%S'],
    ['shadow:sort', 'desc'],
    ['shadow:localtime', 'no'],
    ['shadow:fixinodes', 'no'],
    // Who may read what is said by the guest's own permissions, where it is a Windows.
    ['acl_xattr:ignore system acls', 'yes'],
    ['store dos attributes', 'yes'],
    ['map archive', 'no'],
    ['map hidden', 'no'],
    ['map readonly', 'no'],
    ['map system', 'no'],
    // Locks would be writes; nobody else changes what is here.
    ['kernel share modes', 'no'],
    ['kernel oplocks', 'no'],
    ['posix locking', 'no'],
  ];
  return `[${name}]\n${settings.map(([key, value]) => `  ${key} = ${quoted(value)}\n`).join('')}`;
}

/** Samba puts values in for `%X`, but for those of `shadow:format`, and ends a line's value at its line's end. */
function quoted(value: string): string {
  return value.replaceAll('\n', ' ');
}
