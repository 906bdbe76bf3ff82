import type { MachineState } from '../../src/protocol/agents-api.js';

/** How a machine is brought to a standstill and let go on: by its monitor, by libvirt. Every call ends in time. */
export interface GuestControl {
  /** True where one instant of all volumes is had while the processors run: then they are neither stopped nor asked to run on. */
  readonly runsOn?: boolean;
  /** @throws {UmbraError} TRACKER_FAILED */
  state(): Promise<MachineState>;
  /**
   * Make sure that file systems can be brought to rest from inside the guest, so that {@link freeze} has nothing to wait for.
   * @returns why that is not so; undefined if it is
   */
  prepareFreeze(): Promise<string | undefined>;
  /**
   * Bring the guest's file systems to rest.
   * @param asking - called when the guest is about to be asked: until then it goes on as ever
   * @throws {UmbraError} TRACKER_FAILED; they may be at rest all the same
   */
  freeze(timeoutMs: number, asking?: () => void): Promise<void>;
  /**
   * Let the file systems go on. Harmless if they are not at rest.
   * @throws {UmbraError} TRACKER_FAILED if that is not certain
   */
  thaw(timeoutMs: number): Promise<void>;
  /**
   * Stop the processors of a running machine.
   * @throws {UmbraError} TRACKER_FAILED; they may be stopped all the same
   */
  pause(timeoutMs: number): Promise<void>;
  /**
   * Let the processors run on.
   * @throws {UmbraError} TRACKER_FAILED if that is not certain
   */
  resume(timeoutMs: number): Promise<void>;
  /** Wait for what was left for when the machine goes on again. Never rejects. */
  settled?(): Promise<void>;
}
