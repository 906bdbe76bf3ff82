/** What alerts are about. */
export const ALERT_KINDS = ['data-loss', 'job-failed', 'space', 'damage', 'sudden-change', 'scrub-late'] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** How bad it is: what has to be looked at, and what must not wait. */
export const SEVERITIES = ['warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What somebody has to be told. */
export interface NewAlert {
  readonly kind: AlertKind;
  /** A machine's name, or `store`. */
  readonly subject: string;
  readonly severity: Severity;
  /** One sentence: what is so. */
  readonly text: string;
  /** One sentence: what to do next. */
  readonly advice: string;
  /** Figures and names, for programs. */
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

/** Whom whatever goes wrong is told to. There is at most one alert of a kind about a subject at a time. Nothing here throws, or waits. */
export interface Alerts {
  /** Begins an alert (announced once), or refreshes text and facts of one that goes on (not announced again). */
  begin(alert: NewAlert): void;
  /** Ends it, if it goes on: announced once. */
  end(kind: AlertKind, subject: string, text: string): void;
}

/** Alerts for whoever tells everything of a kind, and has to end what a server before began. */
export interface AlertBoard extends Alerts {
  /** The subjects of the alerts of a kind that go on. */
  subjects(kind: AlertKind): readonly string[];
}
