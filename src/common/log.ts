/** Values that make sense in a log line. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/**
 * Where a long-running process says what happened. `message` is a short fixed phrase that can be
 * searched for; what varies goes into `fields`.
 */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Keeps nothing. */
export const silentLog: Log = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
