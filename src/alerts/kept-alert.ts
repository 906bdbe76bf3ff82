import { list, object, oneOf, string, validator, whole, type Validator } from '../common/params.js';
import { printable } from '../common/printable.js';
import { ALERT_KINDS, SEVERITIES, type AlertKind, type NewAlert, type Severity } from './alert.js';

/** What came of an alert is bounded: machines are named by others, and errors quote what they were told. */
const LONGEST_TEXT = 500;
const LONGEST_SUBJECT = 128;
const MOST_FACTS = 16;
const LONGEST_FACT_NAME = 40;
const LONGEST_FACT = 200;

/**
 * An alert as it is kept. It is never changed, but replaced. What happens to alerts is counted in one count: who has been told
 * everything up to a number need not be told it again.
 */
export interface KeptAlert extends NewAlert {
  /** The number of its begin. */
  readonly id: number;
  readonly beganMs: number;
  /** The number of the moment at which it became critical, having begun as a warning. */
  readonly worse?: number;
  /** The number of its end. */
  readonly ended?: number;
  readonly endedMs?: number;
  /** What is so since. */
  readonly endText?: string;
}

const time = whole(0, Number.MAX_SAFE_INTEGER);
const count = whole(1, Number.MAX_SAFE_INTEGER);

/** Facts as a list of pairs: names that come from elsewhere name no fields. */
const fact: Validator<readonly [string, string | number | boolean]> = validator({}, (value, field) => {
  const [name, content] = list(
    validator({}, (item) => item),
    2,
    2,
  )(value, field);
  if (typeof content === 'string' || typeof content === 'number' || typeof content === 'boolean')
    return [string(name, field), content];
  return [string(name, field), string(content, field)];
});

const stored = object(
  {
    kind: oneOf<AlertKind>(...ALERT_KINDS),
    subject: string,
    severity: oneOf<Severity>(...SEVERITIES),
    text: string,
    advice: string,
    facts: list(fact, 0, MOST_FACTS),
    beganMs: time,
  },
  { worse: count, ended: count, endedMs: time, endText: string },
);

/** An alert out of a record; undefined if it is not right, which a newer version may have written. */
export function parseAlert(id: number, fields: Record<string, unknown>): KeptAlert | undefined {
  try {
    const { facts, ...rest } = stored(fields, 'alert');
    return { id, ...rest, facts: Object.fromEntries(facts) };
  } catch {
    return undefined;
  }
}

/** What of an alert is kept in its record; its number is in the key. */
export function alertFields({ id: _id, facts, ...fields }: KeptAlert): object {
  return { ...fields, facts: Object.entries(facts) };
}

/** Two alerts with the same key are one. */
export function alertKeyOf({ kind, subject }: Pick<NewAlert, 'kind' | 'subject'>): string {
  return `${kind} ${subject}`;
}

/** As it may be kept and shown anywhere: on a terminal, in a header of mail, in an environment. */
export function tidyAlert({ kind, subject, severity, text, advice, facts }: NewAlert): NewAlert {
  const some = Object.entries(facts).slice(0, MOST_FACTS);
  return {
    kind,
    subject: tidySubject(subject),
    severity,
    text: tidyText(text),
    advice: tidyText(advice),
    facts: Object.fromEntries(
      some.map(([name, value]) => [
        clip(name, LONGEST_FACT_NAME),
        typeof value === 'string' ? clip(value, LONGEST_FACT) : finite(value),
      ]),
    ),
  };
}

export function tidySubject(subject: string): string {
  return clip(subject, LONGEST_SUBJECT);
}

export function tidyText(text: string): string {
  return clip(text, LONGEST_TEXT);
}

/** Never empty, one line, without what a terminal would act on, and without halves of characters. */
function clip(text: string, longest: number): string {
  const begin = Buffer.from(text.slice(0, longest)).toString();
  const safe = printable(begin.trim());
  if (safe === '') return '-';
  return safe.length <= longest && text.length <= longest ? safe : `${safe.slice(0, longest - 1)}…`;
}

/** JSON has no others. */
function finite(value: number | boolean): number | boolean | string {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
