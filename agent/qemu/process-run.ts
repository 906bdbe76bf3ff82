import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { readBoot } from '../../src/system/boot-time.js';

/** How a QEMU is called. */
const PROGRAM = /^(qemu|kvm)/;
/** Where /proc/PID/stat says when a process was started, counted from behind its name. */
const START_FIELD = 19;

export type IsMeant = (args: readonly string[]) => boolean;

/** A QEMU that was told of a socket. @param path - absolute */
export function withSocket(path: string): IsMeant {
  return (args) => args.some((arg) => arg.split(/[:=,"]/).includes(path));
}

/**
 * Names a run of a QEMU: the machine's own start, the number of the process, and when that was started. No other run has that name.
 * @param isMeant - of the arguments that it was started with
 * @returns undefined if there is not just one such process, as far as this one can see
 */
export async function runOfQemu(isMeant: IsMeant): Promise<string | undefined> {
  const { id: boot } = readBoot();
  const pid = await pidOfQemu(isMeant);
  if (boot === '' || pid === undefined) return undefined;
  const started = (await readText(`/proc/${pid}/stat`)).replace(/^.*\) /s, '').split(' ')[START_FIELD];
  return started === undefined ? undefined : `${boot} ${pid} ${started}`;
}

/** @returns undefined if there is not just one such process, as far as this one can see */
export async function pidOfQemu(isMeant: IsMeant): Promise<number | undefined> {
  const pids: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [program = '', ...args] = (await readText(`/proc/${pid}/cmdline`)).split('\0');
    if (PROGRAM.test(basename(program)) && isMeant(args)) pids.push(Number(pid));
  }
  return pids.length === 1 ? pids[0] : undefined;
}

/** Empty for a process that has ended. */
async function readText(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch(() => '');
}
