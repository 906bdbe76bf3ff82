import type { Log } from '../common/log.js';
import type { Alerts } from './alert.js';

/** Alerts that are only logged: what begins and what ends, each once. */
export function loggedAlerts(log: Log): Alerts {
  const active = new Set<string>();
  return {
    begin: ({ kind, subject, severity, text, advice }) => {
      const key = `${kind} ${subject}`;
      if (active.has(key)) return;
      active.add(key);
      log.warn('alert', { kind, subject, severity, text, advice });
    },
    end: (kind, subject, text) => {
      if (active.delete(`${kind} ${subject}`)) log.info('alert ended', { kind, subject, text });
    },
  };
}
