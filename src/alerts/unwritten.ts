import type { StoredChanges } from './alert-store.js';

/** All that there is, by the names of what {@link Unwritten} notes. */
interface Known {
  readonly alerts: StoredChanges['alerts'];
  readonly channels: StoredChanges['channels'];
  readonly messages: StoredChanges['messages'];
}

/** What has changed since it was written. */
export class Unwritten {
  alerts = new Set<number>();
  channels = new Set<string>();
  messages = new Set<string>();

  get isEmpty(): boolean {
    return this.alerts.size + this.channels.size + this.messages.size === 0;
  }

  /** Write it as it is now; it stays unwritten if that fails. @throws what `write` throws */
  async write(write: (changes: StoredChanges) => Promise<void>, known: Known): Promise<void> {
    const { alerts, channels, messages } = this;
    [this.alerts, this.channels, this.messages] = [new Set(), new Set(), new Set()];
    try {
      await write({
        alerts: of(alerts, known.alerts),
        channels: of(channels, known.channels),
        messages: of(messages, known.messages),
      });
    } catch (error) {
      for (const id of alerts) this.alerts.add(id);
      for (const name of channels) this.channels.add(name);
      for (const name of messages) this.messages.add(name);
      throw error;
    }
  }
}

function of<K, T>(names: ReadonlySet<K>, known: ReadonlyMap<K, T>): Map<K, T | undefined> {
  return new Map([...names].map((name) => [name, known.get(name)]));
}
