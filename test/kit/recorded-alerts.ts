import type { AlertBoard, AlertKind, NewAlert } from '../../src/alerts/alert.js';

/** Alerts as whoever raises them may be tested with: what goes on, and what was announced, in its order. */
export class RecordedAlerts implements AlertBoard {
  /** What goes on, as it was told last. */
  readonly active = new Map<string, NewAlert>();
  /** `begin KIND SUBJECT` and `end KIND SUBJECT`: each once, as people are told. */
  readonly announced: string[] = [];

  begin(alert: NewAlert): void {
    const key = `${alert.kind} ${alert.subject}`;
    if (!this.active.has(key)) this.announced.push(`begin ${key}`);
    this.active.set(key, alert);
  }

  end(kind: AlertKind, subject: string, _text: string): void {
    const key = `${kind} ${subject}`;
    if (this.active.delete(key)) this.announced.push(`end ${key}`);
  }

  subjects(kind: AlertKind): readonly string[] {
    return [...this.active.values()].filter((alert) => alert.kind === kind).map(({ subject }) => subject);
  }

  /** What was announced since this was asked last. */
  take(): string[] {
    return this.announced.splice(0);
  }
}
