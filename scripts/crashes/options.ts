import { parseArgs } from 'node:util';

export interface CrashOptions {
  readonly help: boolean;
  /** End after so many rounds; Infinity where only the time ends it. */
  readonly rounds: number;
  /** Begin no round after so many; Infinity where only the rounds end it. */
  readonly minutes: number;
  readonly seed: number;
  readonly powerCuts: boolean;
  /** Not a store alone: machines with an agent. */
  readonly agents: boolean;
}

const DEFAULT_ROUNDS = 100;

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  rounds: { type: 'string' },
  minutes: { type: 'string' },
  seed: { type: 'string' },
  'power-cuts': { type: 'boolean', default: false },
  agents: { type: 'boolean', default: false },
} as const;

export const HELP = `Usage: scripts/crash [OPTION]...

Backs up, forgets, collects and reads a mount, all at once, kills the server or a command in the midst of it, and
checks that everything acknowledged is there and whole; again and again. A failure leaves the store for a look.

  --rounds N      how many crashes (default ${DEFAULT_ROUNDS}, without limit when --minutes is given)
  --minutes M     begin no round after so many minutes
  --seed N        repeat a run; without it a new one, which is printed
  --power-cuts    cut the power of the store's disk, which then forgets what was not synced, instead of killing
  --agents        have an agent back up running machines (QEMU, libvirt, overlays, a filter, Linux with a guest
                  agent), kill any of them, cut the network, fill the disks, see that no guest stays frozen, and compare
                  the next shadow copies with the machines' disks
  -h, --help      show this
`;

/** @throws RangeError, TypeError for what can't be understood */
export function parseOptions(commandLine: readonly string[], newSeed: () => number): CrashOptions {
  const { values } = parseArgs({ args: [...commandLine], options: OPTIONS });
  if (values.agents && values['power-cuts']) throw new RangeError('--agents and --power-cuts are one or the other');
  const minutes = values.minutes === undefined ? Infinity : number('minutes', values.minutes);
  const limit = values.minutes === undefined ? DEFAULT_ROUNDS : Infinity;
  return {
    help: values.help,
    rounds: values.rounds === undefined ? limit : number('rounds', values.rounds),
    minutes,
    seed: values.seed === undefined ? newSeed() : number('seed', values.seed),
    powerCuts: values['power-cuts'],
    agents: values.agents,
  };
}

function number(option: string, text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(value)) throw new RangeError(`--${option} needs a number, not ${JSON.stringify(text)}`);
  return value;
}
