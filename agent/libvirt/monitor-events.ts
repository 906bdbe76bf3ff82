import { ofDomain, readDomain, type Domain } from './domain.js';
import { PROGRAM, QEMU } from './protocol.js';
import type { RpcConnection } from './rpc-connection.js';
import { XdrReader, XdrWriter } from './xdr.js';

const TIMEOUT_MS = 30_000;
const NO_FLAGS = 0;

/**
 * Be told of an event of a domain's QEMU as soon as libvirt hears of it.
 * @param event - its name in QMP: `JOB_STATUS_CHANGE`
 * @param listener - gets the event's data as JSON, empty if it has none; what it throws ends the connection
 * @returns ends it, as the end of the connection does
 * @throws {UmbraError} HYPERVISOR_*, NOT_FOUND for a domain that is gone
 */
export async function watchMonitor(
  connection: RpcConnection,
  domain: Domain,
  event: string,
  listener: (details: string) => void,
): Promise<() => Promise<void>> {
  const ask = async (procedure: number, args: XdrWriter, what: string): Promise<XdrReader> =>
    await connection.call({ program: PROGRAM.qemu, procedure, args, timeoutMs: TIMEOUT_MS, what });
  // Both are of a type that may be absent: any domain, any event.
  const args = ofDomain(domain, new XdrWriter().uint(1)).optionalString(event).uint(NO_FLAGS);
  const answer = await ask(QEMU.monitorEventRegister, args, `listen to the monitor of ${domain.name}`);
  const callback = answer.int();
  const stop = connection.onEvent(({ program, procedure, body }) => {
    if (program !== PROGRAM.qemu || procedure !== QEMU.monitorEvent) return;
    const message = readMonitorEvent(new XdrReader(body));
    if (message.callback === callback) listener(message.details);
  });
  return async () => {
    stop();
    const id = new XdrWriter().int(callback);
    await ask(QEMU.monitorEventDeregister, id, `listen no more to the monitor of ${domain.name}`);
  };
}

function readMonitorEvent(event: XdrReader): { readonly callback: number; readonly details: string } {
  const callback = event.int();
  readDomain(event);
  event.string();
  // When it was, in seconds and millionths of a second.
  event.hyper();
  event.uint();
  return { callback, details: event.optionalString() ?? '' };
}
