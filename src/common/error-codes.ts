import type { ExitCodeName } from './exit-codes.js';

interface ErrorCodeEntry {
  /** The exit code of a command that ends with this error. */
  readonly exit: ExitCodeName;
  readonly meaning: string;
}

/**
 * Every error code of Umbra. They are stable: scripts match on them. README.md lists them and a
 * test compares the two.
 */
export const ERROR_CODES = {
  BAD_ARGUMENT: { exit: 'USAGE', meaning: 'an argument or option is wrong' },
  BAD_NAME: { exit: 'USAGE', meaning: 'a machine, volume or configuration name is not allowed' },
  NOT_FOUND: { exit: 'NOT_FOUND', meaning: 'no such machine, shadow copy, volume or file' },
  STORE_NOT_FOUND: { exit: 'NOT_FOUND', meaning: 'there is no store at that path' },
  STORE_EXISTS: { exit: 'REFUSED', meaning: 'there is a store at that path already' },
  STORE_FOREIGN: { exit: 'STORE', meaning: 'the directory holds something that is not an Umbra store' },
  STORE_NEWER: { exit: 'STORE', meaning: 'the store was made by a newer version of Umbra' },
  STORE_IN_USE: { exit: 'BUSY', meaning: 'another process has the store open' },
  STORE_FULL: { exit: 'FULL', meaning: 'the disk of the store is full' },
  STORE_FAILED: { exit: 'STORE', meaning: 'the store could not be read or written' },
  STORE_DAMAGED: { exit: 'DAMAGED', meaning: 'data in the store is damaged or missing' },
  KEY_MISSING: { exit: 'KEY_MISSING', meaning: 'the store is encrypted, and no key was given' },
  KEY_WRONG: { exit: 'KEY_WRONG', meaning: 'the key, or passphrase, does not open the store' },
  KEY_LOST: { exit: 'KEY_LOST', meaning: 'the wrapped keys of an encrypted store are gone' },
  KEY_DAMAGED: { exit: 'KEY_DAMAGED', meaning: 'the wrapped keys of an encrypted store are damaged' },
  KEY_UNREADABLE: {
    exit: 'KEY_UNREADABLE',
    meaning: 'a key file cannot be read or is open to others, or a key command failed',
  },
  NOT_ENCRYPTED: { exit: 'USAGE', meaning: 'the store is not encrypted, so it has no keys' },
  IMAGE_NOT_FOUND: { exit: 'NOT_FOUND', meaning: 'a disk image does not exist or cannot be opened' },
  IMAGE_FORMAT: { exit: 'IMAGE', meaning: 'a disk image is damaged or of a format that is not supported' },
  IMAGE_IN_USE: { exit: 'BUSY', meaning: 'a disk image is being written by a running program' },
  IMAGE_CHANGED: { exit: 'IMAGE', meaning: 'a disk image changed while it was read' },
  IMAGE_FAILED: { exit: 'IMAGE', meaning: 'a disk image could not be read or written' },
  TRACKER_UNAVAILABLE: { exit: 'SYSTEM', meaning: 'a way to follow the changes of a machine cannot be used for it' },
  TRACKER_BUSY: { exit: 'BUSY', meaning: 'another program holds what is needed to follow the changes of a machine' },
  TRACKER_FAILED: { exit: 'IMAGE', meaning: 'a machine, or what runs it, refused or did not answer' },
  SCRIPT_FAILED: { exit: 'IMAGE', meaning: 'a script that runs before a checkpoint failed' },
  TARGET_EXISTS: { exit: 'TARGET', meaning: 'the target of a restore or export is there and may not be overwritten' },
  TARGET_BUSY: { exit: 'BUSY', meaning: 'the target of a restore is mounted or in use' },
  TARGET_TOO_SMALL: { exit: 'TARGET', meaning: 'the target of a restore is smaller than the volume' },
  TARGET_REFUSED: { exit: 'TARGET', meaning: 'the target lies in a store or in a mount of Umbra' },
  TARGET_FULL: { exit: 'FULL', meaning: 'the disk of the target of a restore, export or copy is full' },
  TARGET_FAILED: { exit: 'TARGET', meaning: 'the target of a restore or export could not be written' },
  FILESYSTEM_DAMAGED: {
    exit: 'DAMAGED',
    meaning: 'a file system inside a volume, a file in it, or a stored image of a disk is damaged',
  },
  FILESYSTEM_UNREADABLE: {
    exit: 'IMAGE',
    meaning: 'a file system inside a volume, a file in it, or a stored image is of a kind that Umbra does not read',
  },
  MOUNT_POINT: { exit: 'MOUNT', meaning: 'the mount point cannot be used' },
  MOUNT_FAILED: { exit: 'MOUNT', meaning: 'mounting or unmounting failed' },
  SHADOW_COPY_OPEN: { exit: 'BUSY', meaning: 'someone has a file of the shadow copy open' },
  SHADOW_COPY_PROTECTED: {
    exit: 'REFUSED',
    meaning: 'the shadow copy is younger than its minimum age: nobody deletes it',
  },
  SHADOW_COPY_HELD: {
    exit: 'REFUSED',
    meaning: 'the shadow copy is kept, since too much has changed in its machine: somebody has to look first',
  },
  LAST_SHADOW_COPY: { exit: 'REFUSED', meaning: 'the last shadow copy of a machine is only deleted with --force' },
  POLICIES_CHANGED: { exit: 'REFUSED', meaning: 'somebody else has changed the policies since they were read' },
  MACHINE_BUSY: { exit: 'BUSY', meaning: 'a backup of the machine is running' },
  CONSISTENCY_MISSED: {
    exit: 'IMAGE',
    meaning: 'a shadow copy was made that is not as consistent as its policy wants',
  },
  NOT_OWNER: { exit: 'REFUSED', meaning: 'the store belongs to another user' },
  UNAUTHENTICATED: { exit: 'REFUSED', meaning: 'the server does not know who asks, or no longer believes it' },
  NOT_ENROLLED: { exit: 'NOT_FOUND', meaning: 'the host is not enrolled at a server' },
  FORBIDDEN: { exit: 'REFUSED', meaning: 'who asks may not do that' },
  TOO_MANY_TRIES: { exit: 'BUSY', meaning: 'too many wrong tokens came from that address' },
  SERVER_UNKNOWN: { exit: 'REFUSED', meaning: 'the server is not the one that is known by that name' },
  LISTEN_FAILED: { exit: 'SERVER', meaning: 'the server cannot listen at its address' },
  SERVER_UNREACHABLE: { exit: 'SERVER', meaning: 'the server of the store does not answer' },
  SERVER_VERSION: { exit: 'SERVER', meaning: 'the server is of another version of Umbra' },
  SERVER_STOPPING: { exit: 'SERVER', meaning: 'the server is shutting down' },
  HYPERVISOR_UNREACHABLE: { exit: 'SYSTEM', meaning: 'libvirt or QEMU does not run, or does not answer' },
  HYPERVISOR_DENIED: { exit: 'REFUSED', meaning: 'the agent may not use libvirt or QEMU' },
  HYPERVISOR_FAILED: { exit: 'SYSTEM', meaning: 'libvirt or QEMU could not do what it was asked to' },
  CONFIG_UNREADABLE: { exit: 'IMAGE', meaning: "a machine's configuration cannot be read or understood" },
  AGENT_UNREACHABLE: { exit: 'SERVER', meaning: 'the agent of a host is not connected to the server' },
  AGENT_RUNNING: { exit: 'BUSY', meaning: 'another agent runs on this host, with the same state' },
  AGENT_FAILED: { exit: 'SERVER', meaning: 'the agent of a host broke off what it was doing' },
  NOTIFY_FAILED: { exit: 'SERVER', meaning: 'somebody could not be told of an alert' },
  PROGRAM_MISSING: { exit: 'SYSTEM', meaning: 'a program or library that is needed is not installed' },
  CANCELLED: { exit: 'CANCELLED', meaning: 'the command was interrupted' },
  INTERNAL: { exit: 'INTERNAL', meaning: 'a defect in Umbra; please report it' },
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;
