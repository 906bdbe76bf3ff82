import type { GuestControl } from '../../agent/checkpoints/guest-control.js';
import type { MachineState } from '../../src/protocol/agents-api.js';

/** A machine that remembers what was done to it, and fails where a test wants it to. */
export class FakeGuestControl implements GuestControl {
  readonly calls: string[] = [];
  runsOn = false;
  /** What is done before the guest is asked to freeze. */
  beforeFreeze: (() => void) | undefined;
  /** What fails, by the name of the call; how many times. */
  readonly failing = new Map<string, number>();
  current: MachineState = 'running';
  /** Why the guest's file systems can't be brought to rest. */
  unprepared: string | undefined;

  state(): Promise<MachineState> {
    return Promise.resolve(this.current);
  }

  prepareFreeze(): Promise<string | undefined> {
    return Promise.resolve(this.unprepared);
  }

  freeze(_timeoutMs: number, asking?: () => void): Promise<void> {
    this.beforeFreeze?.();
    asking?.();
    return this.#did('freeze');
  }

  thaw(): Promise<void> {
    return this.#did('thaw');
  }

  pause(): Promise<void> {
    return this.#did('pause');
  }

  resume(): Promise<void> {
    return this.#did('resume');
  }

  #did(call: string): Promise<void> {
    this.calls.push(call);
    const times = this.failing.get(call) ?? 0;
    this.failing.set(call, times - 1);
    return times > 0 ? Promise.reject(new Error(`${call} failed`)) : Promise.resolve();
  }
}
