import { UmbraError } from '../common/errors.js';

/** Who asks the server for something. */
export type Caller =
  /** The user whose store it is, or root, at the socket of the store. */
  | { readonly role: 'owner' }
  /** Somebody with an administrator's token or certificate, at the HTTPS port. */
  | { readonly role: 'administrator'; readonly name: string }
  /** The agent of a host, with its certificate, at the HTTPS port. */
  | { readonly role: 'agent'; readonly host: string };

export type Role = Caller['role'];

/** Everybody who reaches the socket is this. */
export const OWNER: Caller = { role: 'owner' };

/** Who may do something. */
export interface Permission {
  readonly roles: readonly Role[];
  /** Also who can't say who he is. */
  readonly strangers?: true;
  /** What to do instead, for those who may not. */
  readonly hint?: string;
}

/** What nothing else is said of. */
export const OPERATORS: Permission = { roles: ['owner', 'administrator'] };

/**
 * What names files and directories of the server's machine, which somebody far away would take for those of his own, or
 * could overwrite.
 */
export const OWNER_ONLY: Permission = {
  roles: ['owner'],
  hint: "It names a path of the server's machine: run the command there, as the store's owner.",
};

/** Those who read shadow copies; an agent only those of the machines that its host protects. */
export const READERS: Permission = { roles: ['owner', 'administrator', 'agent'] };

/** What only agents do. */
export const AGENTS: Permission = { roles: ['agent'] };

/** Those who send shadow copies: agents, and administrators who have the images where they are. */
export const SENDERS: Permission = {
  roles: ['administrator', 'agent'],
  hint: 'It is for images of other machines: "umbra backup MACHINE IMAGE" reads those of this one.',
};

export const EVERYBODY: Permission = { roles: ['owner', 'administrator', 'agent'], strangers: true };

/**
 * @param caller undefined for a stranger
 * @param what what he wants, for people: `POST /v1/restore`
 * @throws {UmbraError} UNAUTHENTICATED for a stranger, FORBIDDEN
 */
export function checkPermission(permission: Permission, caller: Caller | undefined, what: string): void {
  if (caller === undefined) {
    if (permission.strangers === true) return;
    throw new UmbraError('UNAUTHENTICATED', `${what} needs a token or a client certificate`, {
      hint: 'Run "umbra login URL", or give an administrator\'s token with --token-file or $UMBRA_TOKEN.',
    });
  }
  if (permission.roles.includes(caller.role)) return;
  const { hint } = permission;
  throw new UmbraError('FORBIDDEN', `${describeCaller(caller)} may not do ${what}`, hint === undefined ? {} : { hint });
}

/** For logs and messages: `administrator anna`. */
export function describeCaller(caller: Caller): string {
  switch (caller.role) {
    case 'owner':
      return 'the owner of the store';
    case 'administrator':
      return `the administrator ${caller.name}`;
    case 'agent':
      return `the agent of ${caller.host}`;
  }
}
