import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { readBoot } from '../../src/system/boot-time.js';

/** How a QEMU is called. */
const PROGRAM = /^(qemu|kvm)/;
/** Where /proc/PID/stat says when a process was started, counted from behind its name. */
const START_FIELD = 19;

/**
 * Names a run of a QEMU: the machine's own start, the number of the process, and when that was started. No other run has that name.
 * @param isMeant - of the arguments that it was started with
 * @returns undefined if there is not just one such process, as far as this one can see
 */
export async function runOfQemu(isMeant: (args: readonly string[]) => boolean): Promise<string | undefined> {
  const { id: boot } = readBoot();
  if (boot === '') return undefined;
  const runs: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [program = '', ...args] = (await readText(`/proc/${pid}/cmdline`)).split('\0');
    if (!PROGRAM.test(basename(program)) || !isMeant(args)) continue;
    const started = (await readText(`/proc/${pid}/stat`)).replace(/^.*\) /s, '').split(' ')[START_FIELD];
    if (started !== undefined) runs.push(`${boot} ${pid} ${started}`);
  }
  return runs.length === 1 ? runs[0] : undefined;
}

/** Empty for a process that has ended. */
async function readText(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch(() => '');
}
