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
verification, collection, other policies, machines that are protected no more and again. Server, agent, QEMU, libvirtd
and the mount are killed, the network is cut and disks are filled at random moments. After each round every promise is
checked: each shadow copy byte by byte, nothing left behind, memory and open files that don't grow. A failure leaves
everything for a look.

  --minutes M     begin no round after so many minutes (default ${DEFAULT_MINUTES})
  --seed N        repeat a run, as far as the moments of killing allow; without it a new one, which is printed
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
