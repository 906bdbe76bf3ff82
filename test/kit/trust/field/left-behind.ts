import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from '../../../../src/common/errors.js';

/** What was killed is gone within this, on a busy machine too. */
const GONE_LIMIT_MS = 60_000;
const LOOK_MS = 100;

/** Something of a run that is there when the run is over. */
export interface Left {
  /** For people. */
  readonly what: string;
  readonly remove: () => void;
}

/**
 * What there is of a run that had `TMPDIR` in `directory`, as all that it has started inherits: processes, mounts, loop devices.
 * What only has its name somewhere, as a reader of its logs, is nobody's of ours.
 */
export function leftOf(directory: string): Left[] {
  return [...processesOf(directory), ...mountsOf(directory), ...loopsOf(directory)];
}

/** What is left when what was killed has had time to go. */
export async function leftInTheEnd(directory: string): Promise<Left[]> {
  for (const began = performance.now(); ;) {
    const left = leftOf(directory);
    if (left.length === 0 || performance.now() > began + GONE_LIMIT_MS) return left;
    await sleep(LOOK_MS);
  }
}

function processesOf(directory: string): Left[] {
  const left: Left[] = [];
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    const pid = Number(name);
    const line = textOf(pid, 'cmdline').replaceAll('\0', ' ').trim();
    // libvirt gives its QEMUs an environment of its own.
    const isQemu = basename(line.split(' ')[0] ?? '').startsWith('qemu-') && line.includes(directory);
    const isOurs =
      isQemu ||
      textOf(pid, 'environ')
        .split('\0')
        .some((text) => text.startsWith(`TMPDIR=${directory}`));
    // One that is dead, and that nobody has buried yet, has no command line.
    if (pid === process.pid || line === '' || !isOurs) continue;
    left.push({
      what: `process ${pid}: ${line}`,
      remove: () => {
        killOne(pid);
      },
    });
  }
  return left;
}

function mountsOf(directory: string): Left[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, path = '']) => path.startsWith(`${directory}/`));
  // Those inside others come later, and go first.
  return mounts.toReversed().map(([, path = '', type = '']) => ({
    what: `mount ${path} (${type})`,
    remove: () => {
      if (type.startsWith('fuse')) execFileSync('fusermount', ['-uz', '--', path]);
      else execFileSync('umount', ['--lazy', '--', path]);
    },
  }));
}

function loopsOf(directory: string): Left[] {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop') && fileOf(name).startsWith(`${directory}/`))
    .map((name) => ({
      what: `loop device ${name} of ${fileOf(name)}`,
      remove: () => {
        execFileSync('losetup', ['--detach', `/dev/${name}`]);
      },
    }));
}

/** The file behind a loop device; nothing without one. */
function fileOf(loop: string): string {
  return unlessGone(() => readFileSync(`/sys/block/${loop}/loop/backing_file`, 'utf8'));
}

/** Nothing of a process that is gone. */
function textOf(pid: number, file: string): string {
  return unlessGone(() => {
    readlinkSync(`/proc/${pid}/exe`);
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  });
}

function unlessGone(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(systemCode(error) ?? '')) return '';
    throw error;
  }
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}
