import { UmbraError } from '../common/errors.js';

/** What a token is for: an administrator's requests, or enrolling the agent of one host. */
export type TokenKind = 'admin' | 'join';

/** A secret that a server knows somebody by, and that he knows the server by. */
export interface Token {
  readonly kind: TokenKind;
  /** By which the server finds what it keeps of the token; no secret. 16 hex digits. */
  readonly id: string;
  /** 256 random bits, as base64url. */
  readonly secret: string;
  /** The SHA-256 of the certificate of the server's authority, 64 hex digits: no other server is given the token. */
  readonly authority: string;
}

const TOKEN = /^umbra-(admin|join)-([0-9a-f]{16})\.([A-Za-z0-9_-]{43})\.([0-9a-f]{64})$/;

/** `umbra-join-ID.SECRET.AUTHORITY`, one word of a command line. */
export function formatToken({ kind, id, secret, authority }: Token): string {
  return `umbra-${kind}-${id}.${secret}.${authority}`;
}

/** The token that a text is; undefined when it is none. */
export function parseToken(text: string): Token | undefined {
  const [, kind, id, secret, authority] = TOKEN.exec(text) ?? [];
  if ((kind !== 'admin' && kind !== 'join') || id === undefined) return undefined;
  return { kind, id, secret: secret ?? '', authority: authority ?? '' };
}

/**
 * The token of a kind that somebody gave. The text stays out of the message: it may be most of a secret.
 * @throws {UmbraError} BAD_ARGUMENT
 */
export function requireToken(text: string, kind: TokenKind): Token {
  const token = parseToken(text.trim());
  if (token?.kind === kind) return token;
  const wanted = kind === 'admin' ? "an administrator's token" : 'a join token';
  const why = token === undefined ? 'it is no token, or not all of one' : `it is one of the kind "${token.kind}"`;
  throw new UmbraError('BAD_ARGUMENT', `the token is not ${wanted}: ${why}`, {
    hint:
      kind === 'admin'
        ? '"umbra token add NAME" on the server\'s machine makes one; it begins with "umbra-admin-".'
        : '"umbra agent invite HOST" makes one; it begins with "umbra-join-".',
  });
}
