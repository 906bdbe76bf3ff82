import type { Alerts } from '../alerts/alert.js';
import { byteText } from '../common/byte-text.js';
import type { Log } from '../common/log.js';
import type { SpaceReport } from '../store/space-watch.js';
import type { SpaceState } from '../store/space.js';

export interface SpaceAlarmOptions {
  readonly alerts: Alerts;
  readonly log: Log;
  /** Called when shadow copies can be made again. */
  readonly onRoom: () => void;
}

/** Has people told when the disk of the store becomes full, and when that is over. It is told each time that somebody has looked. */
export class SpaceAlarm {
  readonly #options: SpaceAlarmOptions;
  #state: SpaceState | undefined;

  constructor(options: SpaceAlarmOptions) {
    this.#options = options;
  }

  take(report: SpaceReport): void {
    const { alerts, log, onRoom } = this.#options;
    const before = this.#state;
    this.#state = report.state;
    if (report.state === 'ok') {
      if (before !== 'ok')
        alerts.end('space', 'store', `${byteText(report.freeBytes)} of the disk of the store are free again`);
    } else {
      // A warning that becomes worse is another one: people are told again.
      if (report.state === 'stopped' && before === 'warning') alerts.end('space', 'store', 'it has become worse');
      alerts.begin(alertOf(report));
    }
    if (before === report.state || (before === undefined && report.state === 'ok')) return;
    const { state, freeBytes, stopBytes } = report;
    log[state === 'ok' ? 'info' : 'warn']('room on the disk of the store', { state, freeBytes, stopBytes });
    if (before === 'stopped') onRoom();
  }
}

function alertOf(report: SpaceReport): Parameters<Alerts['begin']>[0] {
  const { state, freeBytes, sizeBytes, stopBytes, resumeBytes, warnBytes, fullInDays: days } = report;
  const free = `${byteText(freeBytes)} of ${byteText(sizeBytes)} of the disk of the store are free`;
  const facts = {
    freeBytes,
    sizeBytes,
    stopBytes,
    resumeBytes,
    warnBytes,
    ...(days === undefined ? {} : { fullInDays: days }),
  };
  if (state === 'stopped') {
    return {
      kind: 'space',
      subject: 'store',
      severity: 'critical',
      text: `${free}: no shadow copies are made until there are ${byteText(resumeBytes)}.`,
      advice:
        'Make room: "umbra prune --gc", "umbra forget" and "umbra gc", or a larger disk; it goes on by itself then.',
      facts,
    };
  }
  const forecast = days === undefined ? '' : `, which last for ${Math.floor(days)} days as it went until now`;
  return {
    kind: 'space',
    subject: 'store',
    severity: 'warning',
    text: `${free}${forecast}.`,
    advice: `Make room, or keep less ("umbra policy"): with less than ${byteText(stopBytes)} free no shadow copies are made any more.`,
    facts,
  };
}
