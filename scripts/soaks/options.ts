import { parseArgs } from 'node:util';

export interface SoakOptions {
  readonly help: boolean;
  /** Begin no round after so many. */
  readonly minutes: number;
  readonly seed: number;
  /** One machine more is Linux with a guest agent. */
  readonly linux: boolean;
  /** No QEMU and no libvirt. */
  readonly light: boolean;
}

const DEFAULT_MINUTES = 60;

const OPTIONS = {
  help: { type: 'boolean', short: 'h', default: false },
  system: { type: 'boolean', default: false },
  minutes: { type: 'string' },
  seed: { type: 'string' },
  linux: { type: 'boolean', default: false },
  light: { type: 'boolean', default: false },
} as const;

export const HELP = `Usage: scripts/soak [TIMES]
       scripts/soak --system [--minutes M] [--seed N] [--linux | --light]

Without --system it runs the tests that try random things TIMES as often as the suite does (default 20: hours): damaged
volumes for every reader of file systems, and histories of writes whose dirty journals are replayed and compared with the
kernel. UMBRA_TEST_SEED=N repeats a run: each test says its seed.

With --system the whole product lives as in the field: "umbra serve" with policies of short rhythms, which prunes and
collects after each shadow copy, an agent with real machines (QEMU, libvirt, overlays, a filter, images in
directories), a mount here and one over the network that are read all the time, restores, exports, copies,
verification, scrubbing, pruning, collection, other policies, machines that are protected no more and again. Server,
agent, QEMU, libvirtd, the filter and the mount are killed, the network is cut and disks are filled at random moments;
in some rounds nothing is struck, and then nothing may fail. After each round every promise is checked: paused machines
are compared with a new shadow copy of each by QEMU, block by block, all shadow copies are read and must be what they
were whenever anybody read them, the store is verified, and collected until nothing is left to collect, nothing is left
behind in machines and on the host, memory and open files don't grow.

It ends with figures and a verdict: exit code 0 if every promise held, 1 if one did not, 130 if it was interrupted before
a round was complete. What does not hold ends it, and keeps the store, the agent's state and logs for a look; otherwise
nothing is left, also after Ctrl-C, which ends everything at once.

  --minutes M     begin no round after so many minutes (default ${DEFAULT_MINUTES})
  --seed N        repeat the choices of a run: what is struck when, and what everybody does; how far everything is then
                  depends on the machine. Without it a new one, which is printed
  --linux         one machine more is Linux with a guest agent, which is emulated and takes much of a processor
  --light         only images in directories and below a filter: no QEMU and no libvirt, for a machine that has much to do
  -h, --help      show this
`;

/** @throws RangeError, TypeError for what can't be understood */
export function parseOptions(commandLine: readonly string[], newSeed: () => number): SoakOptions {
  const { values } = parseArgs({ args: [...commandLine], options: OPTIONS });
  if (!values.help && !values.system) throw new RangeError('--minutes, --seed, --linux and --light need --system');
  if (values.linux && values.light) throw new RangeError('--linux and --light are one or the other');
  return {
    help: values.help,
    minutes: values.minutes === undefined ? DEFAULT_MINUTES : number('minutes', values.minutes),
    seed: values.seed === undefined ? newSeed() : number('seed', values.seed),
    linux: values.linux,
    light: values.light,
  };
}

function number(option: string, text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(value)) throw new RangeError(`--${option} needs a number, not ${JSON.stringify(text)}`);
  return value;
}
