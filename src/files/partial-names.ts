import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { systemCode } from '../common/errors.js';

const PATTERN = /^\.umbra-([0-9a-f]{8})-([1-9][0-9]{0,6})-[0-9a-f]{16}\.partial$/;

/**
 * A name that nothing has, for what is not complete. It says which process makes it: what a killed one leaves behind can be
 * told from what another one still writes.
 * @param pid of this process, but for tests
 */
export function newPartialName(pid = process.pid): string {
  return `.umbra-${processes()}-${pid}-${randomBytes(8).toString('hex')}.partial`;
}

/**
 * True if the process that made it is gone for certain. That is not known of another machine, which may share the
 * directory, of another container, nor of the time before this machine was started.
 */
export function isAbandoned(name: string): boolean {
  const [, where, pid] = PATTERN.exec(name) ?? [];
  return where === processes() && isGone(Number(pid));
}

let known: string | undefined;

/** Stands for all processes that have process numbers in common with this one. */
function processes(): string {
  known ??= createHash('sha256')
    .update(readFileSync('/proc/sys/kernel/random/boot_id'))
    .update(readlinkSync('/proc/self/ns/pid'))
    .digest('hex')
    .slice(0, 8);
  return known;
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return systemCode(error) === 'ESRCH';
  }
}
