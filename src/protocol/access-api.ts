/** What crosses the server's wire, and what `--json` prints, about who may use a server. Times are ISO 8601. */

export interface AddTokenRequest {
  /** The administrator's name. */
  readonly name: string;
  /** How long it is good for; for ever without it. */
  readonly lifeSeconds?: number;
}

export interface TokenInfo {
  readonly name: string;
  readonly created: string;
  readonly expires?: string;
  /** Certificates that it gave and that still hold. */
  readonly certificates: number;
}

/** A token that was made; what cannot be had again is in it. */
export interface NewToken extends TokenInfo {
  readonly token: string;
}

export interface RemoveTokenRequest {
  readonly name: string;
}

/** Asks for a client certificate; whom it is for follows from who asks. */
export interface CertificateRequest {
  /** PKCS #10, in PEM. */
  readonly request: string;
}

export interface CertificateAnswer {
  /** The administrator, or the host. */
  readonly name: string;
  /** In PEM. */
  readonly certificate: string;
  /** The certificate of the server's authority, in PEM. */
  readonly authority: string;
  readonly expires: string;
}

export interface InviteRequest {
  readonly host: string;
  readonly lifeSeconds: number;
}

export interface Invitation {
  readonly host: string;
  readonly token: string;
  readonly expires: string;
  /** Where the server listens; empty when it does not, or when it is not known by what name others reach it. */
  readonly urls: readonly string[];
  /** True if an agent of the host is enrolled; it is out when the token is used. */
  readonly isEnrolled: boolean;
}

export interface EnrolRequest extends CertificateRequest {
  readonly token: string;
  /** The host that the agent takes itself for: the token must be for it. */
  readonly host: string;
}

/** A host whose agent is enrolled, or may enrol itself. */
export interface AgentInfo {
  readonly host: string;
  /** Absent if it was never. */
  readonly enrolled?: string;
  /** Until when its newest certificate is good; absent when none holds. */
  readonly certificateExpires?: string;
  readonly lastSeen?: string;
  readonly revoked?: string;
  /** Until when a join token that was not used yet lets it in; absent if there is none. */
  readonly invitedUntil?: string;
}

export interface RevokedAgent extends AgentInfo {
  /** How many invitations were withdrawn. */
  readonly invitations: number;
}

export interface RevokeAgentRequest {
  readonly host: string;
}
