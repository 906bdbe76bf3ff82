import type { AlertRecords } from '../store/alert-records.js';
import { parseChannelState, type ChannelState } from './channel-state.js';
import { alertFields, parseAlert, type KeptAlert } from './kept-alert.js';
import { parseMessage, type Message } from './message.js';

/** All that is kept. */
export interface StoredAlerts {
  /** In the order in which they began. */
  readonly alerts: readonly KeptAlert[];
  readonly channels: ReadonlyMap<string, ChannelState>;
  /** What channels are told now. */
  readonly messages: ReadonlyMap<string, Message>;
}

/** What changes at once; undefined for what is kept no longer. */
export interface StoredChanges {
  readonly alerts: ReadonlyMap<number, KeptAlert | undefined>;
  readonly channels: ReadonlyMap<string, ChannelState | undefined>;
  readonly messages: ReadonlyMap<string, Message | undefined>;
}

/** Where alerts are kept, and what whom was told of them. */
export interface AlertStore {
  /** @throws {UmbraError} STORE_FAILED, STORE_DAMAGED */
  readonly read: () => Promise<StoredAlerts>;
  /** All of it or nothing; durable when this resolves. @throws {UmbraError} STORE_* */
  readonly write: (changes: StoredChanges) => Promise<void>;
}

/** Alerts in a store; the same object as long as the store is the same. @param records asked for each time: the store may be rebuilt */
export function alertStoreOf(records: () => AlertRecords): () => AlertStore {
  let known: { readonly records: AlertRecords; readonly store: AlertStore } | undefined;
  return () => {
    const now = records();
    if (known?.records !== now) known = { records: now, store: storedAlerts(now) };
    return known.store;
  };
}

function storedAlerts(records: AlertRecords): AlertStore {
  return { read: () => read(records), write: (changes) => write(records, changes) };
}

async function read(records: AlertRecords): Promise<StoredAlerts> {
  const channels = new Map<string, ChannelState>();
  const messages = new Map<string, Message>();
  for (const { channel, part, fields } of await records.channels()) {
    const state = part === 'state' ? parseChannelState(fields) : undefined;
    const message = part === 'message' ? parseMessage(fields) : undefined;
    if (state !== undefined) channels.set(channel, state);
    if (message !== undefined) messages.set(channel, message);
  }
  const alerts = (await records.alerts()).flatMap(({ id, fields }) => parseAlert(id, fields) ?? []);
  return { alerts, channels, messages };
}

async function write(records: AlertRecords, { alerts, channels, messages }: StoredChanges): Promise<void> {
  const states = [...channels].map(([channel, fields]) => ({ channel, part: 'state', fields }) as const);
  const texts = [...messages].map(([channel, fields]) => ({ channel, part: 'message', fields }) as const);
  await records.write({
    put: [...alerts].flatMap(([id, alert]) => (alert === undefined ? [] : [{ id, fields: alertFields(alert) }])),
    remove: [...alerts].flatMap(([id, alert]) => (alert === undefined ? [id] : [])),
    putChannels: [...states, ...texts].flatMap(({ fields, ...key }) =>
      fields === undefined ? [] : [{ ...key, fields }],
    ),
    removeChannels: [...states, ...texts].flatMap(({ fields, ...key }) => (fields === undefined ? [key] : [])),
  });
}
