import { UmbraError } from '../../src/common/errors.js';
import { printable } from '../../src/common/printable.js';
import { count, record, text } from '../json-values.js';
import { parseLine } from './line-socket.js';

/** Who speaks at the other end, for messages. */
export const WHAT = "QEMU's monitor";

/** What QEMU says without being asked. */
export interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The reason for which QEMU refused a command; the `cause` of the error that `QmpClient.execute` throws. */
export class QmpError extends Error {
  override readonly name = 'QmpError';
  /** QEMU's class of errors: `GenericError`, `DeviceNotFound`, `CommandNotFound`. */
  readonly errorClass: string;

  constructor(errorClass: string, description: string) {
    super(description);
    this.errorClass = errorClass;
  }
}

interface Command {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: UmbraError) => void;
}

interface Expectation {
  readonly fits: (event: QmpEvent) => boolean;
  readonly met: (event: QmpEvent) => void;
  readonly failed: (error: UmbraError) => void;
}

/** What is under way on a connection to a QMP socket. */
export class QmpState {
  readonly greeted: Promise<void>;
  version: readonly [number, number] = [0, 0];
  readonly #commands = new Map<number, Command & { readonly name: string }>();
  readonly #expectations = new Set<Expectation>();
  #nextId = 1;
  #greet: () => void = () => undefined;
  #refuse: (error: UmbraError) => void = () => undefined;

  constructor() {
    this.greeted = new Promise((resolve, reject) => {
      this.#greet = resolve;
      this.#refuse = reject;
    });
    this.greeted.catch(() => undefined);
  }

  add(name: string, command: Command): number {
    const id = this.#nextId++;
    this.#commands.set(id, { ...command, name });
    return id;
  }

  /** Its answer, if it comes, is nobody's. */
  forget(id: number): void {
    this.#commands.delete(id);
  }

  expect(expectation: Expectation): () => void {
    this.#expectations.add(expectation);
    return () => this.#expectations.delete(expectation);
  }

  /** @throws {UmbraError} TRACKER_FAILED if it is no message of QMP */
  take(line: string): void {
    const message = record(parseLine(line, WHAT));
    const name = text(message['event']);
    if (name !== undefined) this.#happened({ name, data: record(message['data']) });
    else if ('QMP' in message) this.#greeting(record(message['QMP']));
    else if ('return' in message || 'error' in message) this.#answered(message);
    else throw new UmbraError('TRACKER_FAILED', `${WHAT} sent what is no message of QMP`);
  }

  failAll(reason: UmbraError): void {
    this.#refuse(reason);
    for (const { reject } of this.#commands.values()) reject(reason);
    this.#commands.clear();
    for (const { failed } of this.#expectations) failed(reason);
    this.#expectations.clear();
  }

  #greeting(greeting: Readonly<Record<string, unknown>>): void {
    const qemu = record(record(greeting['version'])['qemu']);
    this.version = [count(qemu['major']) ?? 0, count(qemu['minor']) ?? 0];
    this.#greet();
  }

  #happened(event: QmpEvent): void {
    for (const expectation of [...this.#expectations]) {
      if (!expectation.fits(event)) continue;
      this.#expectations.delete(expectation);
      expectation.met(event);
    }
  }

  #answered(message: Readonly<Record<string, unknown>>): void {
    const id = count(message['id']);
    const command = id === undefined ? undefined : this.#commands.get(id);
    // The answer to a command that took too long.
    if (id === undefined || command === undefined) return;
    this.#commands.delete(id);
    if (!('error' in message)) {
      command.resolve(message['return']);
      return;
    }
    const error = record(message['error']);
    const description = printable(text(error['desc']) ?? 'no reason given').slice(0, 1000);
    const cause = new QmpError(text(error['class']) ?? 'GenericError', description);
    command.reject(new UmbraError('TRACKER_FAILED', `QEMU refuses ${command.name}: ${description}`, { cause }));
  }
}
