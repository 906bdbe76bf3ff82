import type { Subject } from '../certificates/subject.js';
import type { Clock } from '../common/clock.js';
import { UmbraError } from '../common/errors.js';
import type { AccessState, Administrator, Agent, Join, KnownCertificate } from './access-state.js';
import type { AccessStore } from './access-store.js';
import { hashSecret, isSecret, newId, newSecret } from './secret.js';

/** What is handed out once of a token that was made. */
export interface NewSecret {
  readonly id: string;
  readonly secret: string;
}

/** What a host had that was let out. */
export interface RevokedHost {
  readonly host: string;
  /** If it was enrolled. */
  readonly agent?: Agent;
  /** How many invitations were withdrawn. */
  readonly invitations: number;
}

/** Far more than anybody has; what is kept and compared stays small. */
const MOST = 4096;
/** Certificates of one administrator or agent that hold at the same time. */
const MOST_CERTIFICATES = 16;

/** The administrators, the agents and the invitations of one store. */
export class Access {
  readonly #store: AccessStore;
  readonly #clock: Clock;
  /** When agents were seen since the last time that something was written. */
  readonly #seen = new Map<string, number>();
  readonly #listeners = new Set<() => void>();

  constructor(store: AccessStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  administrators(): readonly Administrator[] {
    return this.#store.state.administrators;
  }

  agents(): readonly Agent[] {
    return this.#store.state.agents.map((agent) => this.#withSeen(agent));
  }

  /** The hosts that may still enrol, each once, and until when, in milliseconds. */
  invitations(): ReadonlyMap<string, number> {
    const nowMs = this.#clock.now();
    const until = new Map<string, number>();
    for (const { host, expiresMs, usedMs } of this.#store.state.joins) {
      if (usedMs === undefined && expiresMs > nowMs) until.set(host, Math.max(expiresMs, until.get(host) ?? 0));
    }
    return until;
  }

  /** Called when somebody who was let in may no longer be. @returns a function that ends it */
  onRevoked(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * @param expiresMs when the token and every certificate that it gave end
   * @throws {UmbraError} BAD_ARGUMENT when there is one of that name
   */
  async addAdministrator(name: string, expiresMs?: number): Promise<NewSecret> {
    return await this.#change((state) => {
      if (state.administrators.some((entry) => entry.name === name)) {
        throw new UmbraError('BAD_ARGUMENT', `there is a token of the name ${name} already`, {
          hint: `"umbra token remove ${name}" takes it away.`,
        });
      }
      refuseTooMany(state.administrators, 'tokens');
      const { id, secret } = { id: newId(), secret: newSecret() };
      const administrator = {
        name,
        id,
        hash: hashSecret(secret),
        createdMs: this.#clock.now(),
        ...(expiresMs === undefined ? {} : { expiresMs }),
        certificates: [],
      };
      return [
        { ...state, administrators: [...state.administrators, administrator] },
        { id, secret },
      ];
    });
  }

  /** Takes away a token with every certificate that it gave, at once. @throws {UmbraError} NOT_FOUND */
  async removeAdministrator(name: string): Promise<Administrator> {
    const removed = await this.#change((state) => {
      const found = state.administrators.find((entry) => entry.name === name);
      if (found === undefined) {
        throw new UmbraError('NOT_FOUND', `there is no token of the name ${name}`, {
          hint: '"umbra token list" shows the names.',
        });
      }
      return [{ ...state, administrators: state.administrators.filter((entry) => entry !== found) }, found];
    });
    this.#revoked();
    return removed;
  }

  /** Whose token it is; undefined when it is nobody's, or no longer. */
  administratorOf({ id, secret }: NewSecret): Administrator | undefined {
    const found = this.administrators().find((entry) => entry.id === id);
    return found !== undefined && isSecret(secret, found.hash) && !this.#isOver(found) ? found : undefined;
  }

  /** Invites a host, for one use. @throws {UmbraError} BAD_ARGUMENT when there are too many invitations */
  async invite(host: string, expiresMs: number): Promise<NewSecret> {
    return await this.#change((state) => {
      refuseTooMany(state.joins, 'invitations');
      const { id, secret } = { id: newId(), secret: newSecret() };
      const join = { id, hash: hashSecret(secret), host, createdMs: this.#clock.now(), expiresMs };
      return [
        { ...state, joins: [...state.joins, join] },
        { id, secret },
      ];
    });
  }

  /**
   * The host that a join token is for, as long as it can be used.
   * @throws {UmbraError} UNAUTHENTICATED
   */
  hostOf(token: NewSecret): string {
    return this.#joinOf(this.#store.state, token).host;
  }

  /**
   * Use up a join token, and let its host in with a certificate, in one durable write: the certificate may be given when
   * this resolves. What the host had before does not hold any more.
   * @throws {UmbraError} UNAUTHENTICATED when it is not known, expired or used: of two at once one wins
   */
  async enrol(token: NewSecret, certificate: KnownCertificate): Promise<Agent> {
    const enrolled = await this.#change((state) => {
      const join = this.#joinOf(state, token);
      const nowMs = this.#clock.now();
      const agent = { host: join.host, enrolledMs: nowMs, lastSeenMs: nowMs, certificates: [certificate] };
      const others = state.agents.filter(({ host }) => host !== join.host);
      refuseTooMany(others, 'agents');
      const joins = state.joins.map((entry) => (entry === join ? { ...join, usedMs: nowMs } : entry));
      return [{ ...state, joins, agents: [...others, agent] }, agent];
    });
    this.#revoked();
    return enrolled;
  }

  /**
   * Let somebody in with a further certificate.
   * @param presented the one that he showed when he asked, if it was one: an agent keeps that and the new one alone, so that
   *   an answer that was lost does not lock it out
   * @throws {UmbraError} UNAUTHENTICATED when he was revoked meanwhile
   */
  async addCertificate(subject: Subject, certificate: KnownCertificate, presented?: string): Promise<void> {
    await this.#change((state) => {
      if (subject.role === 'agent') {
        const agent = state.agents.find(({ host }) => host === subject.host);
        if (agent === undefined || agent.revokedMs !== undefined) throw gone();
        const kept = agent.certificates.filter(({ serial }) => serial === presented);
        return [replaceAgent(state, { ...agent, certificates: [...kept, certificate] }), undefined];
      }
      const found = state.administrators.find(({ name }) => name === subject.name);
      if (found === undefined || this.#isOver(found)) throw gone();
      const nowMs = this.#clock.now();
      const kept = found.certificates.filter(({ expiresMs }) => expiresMs > nowMs).slice(1 - MOST_CERTIFICATES);
      const changed = { ...found, certificates: [...kept, certificate] };
      const administrators = state.administrators.map((entry) => (entry === found ? changed : entry));
      return [{ ...state, administrators }, undefined];
    });
    this.#revoked();
  }

  /** One certificate of an administrator does not hold any more, by his own wish: nobody's connection is closed. */
  async dropCertificate({ name }: { readonly name: string }, serial: string): Promise<void> {
    await this.#change((state) => {
      const administrators = state.administrators.map((entry) => {
        if (entry.name !== name) return entry;
        return { ...entry, certificates: entry.certificates.filter((certificate) => certificate.serial !== serial) };
      });
      return [{ ...state, administrators }, undefined];
    });
  }

  /** True if a certificate of our authority still holds. Its own dates are for the caller to look at. */
  isKnown(subject: Subject, serial: string): boolean {
    const owner =
      subject.role === 'agent'
        ? this.#store.state.agents.find(({ host, revokedMs }) => host === subject.host && revokedMs === undefined)
        : this.administrators().find((entry) => entry.name === subject.name && !this.#isOver(entry));
    return owner?.certificates.some((certificate) => certificate.serial === serial) ?? false;
  }

  /** An agent shows nothing any more, from now on, and what invitations its host has are void. @throws {UmbraError} NOT_FOUND */
  async revokeAgent(host: string): Promise<RevokedHost> {
    const revoked = await this.#change<RevokedHost>((state) => {
      const agent = state.agents.find((entry) => entry.host === host);
      const invitations = state.joins.filter((entry) => entry.host === host && entry.usedMs === undefined).length;
      if (agent === undefined && invitations === 0) {
        throw new UmbraError('NOT_FOUND', `no agent of the host ${host} is enrolled, and none is invited`, {
          hint: '"umbra agents" shows those that are.',
        });
      }
      const nowMs = this.#clock.now();
      // An invitation that is still out would let it in again.
      const without = { ...state, joins: state.joins.filter((entry) => entry.host !== host) };
      if (agent === undefined) return [without, { host, invitations }];
      const changed = { ...this.#withSeen(agent), revokedMs: agent.revokedMs ?? nowMs, certificates: [] };
      return [replaceAgent(without, changed), { host, invitations, agent: changed }];
    });
    this.#revoked();
    return revoked;
  }

  /** An agent made itself heard. */
  saw(host: string): void {
    this.#seen.set(host, this.#clock.now());
  }

  /** Write down when agents were seen, if they were. @throws {UmbraError} STORE_FAILED */
  async close(): Promise<void> {
    if (this.#seen.size > 0) await this.#change((state) => [state, undefined]);
  }

  async #change<T>(change: (state: AccessState) => readonly [next: AccessState, result: T]): Promise<T> {
    const nowMs = this.#clock.now();
    return await this.#store.change((state) => {
      const joins = state.joins.filter(({ expiresMs }) => expiresMs > nowMs);
      const [next, result] = change({ ...state, joins });
      const agents = next.agents.map((agent) => this.#withSeen(agent));
      this.#seen.clear();
      return [{ ...next, agents }, result];
    });
  }

  #joinOf(state: AccessState, { id, secret }: NewSecret): Join {
    const join = state.joins.find((entry) => entry.id === id);
    if (join === undefined || !isSecret(secret, join.hash)) throw refusedJoin('is not known, or has expired');
    if (join.expiresMs <= this.#clock.now()) throw refusedJoin('has expired');
    if (join.usedMs !== undefined) throw refusedJoin('was used already');
    return join;
  }

  #isOver({ expiresMs }: Administrator): boolean {
    return expiresMs !== undefined && expiresMs <= this.#clock.now();
  }

  #withSeen(agent: Agent): Agent {
    const lastSeenMs = this.#seen.get(agent.host);
    return lastSeenMs === undefined ? agent : { ...agent, lastSeenMs };
  }

  #revoked(): void {
    for (const listener of this.#listeners) listener();
  }
}

function replaceAgent(state: AccessState, agent: Agent): AccessState {
  return { ...state, agents: [...state.agents.filter(({ host }) => host !== agent.host), agent] };
}

function refuseTooMany(entries: readonly unknown[], what: string): void {
  if (entries.length >= MOST) throw new UmbraError('BAD_ARGUMENT', `there are ${MOST} ${what} already`);
}

function refusedJoin(why: string): UmbraError {
  return new UmbraError('UNAUTHENTICATED', `the join token ${why}`, {
    hint: '"umbra agent invite HOST" makes another one; each is for one use.',
  });
}

function gone(): UmbraError {
  return new UmbraError('UNAUTHENTICATED', 'access was revoked');
}
