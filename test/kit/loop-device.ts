import { execFileSync } from 'node:child_process';
import type { Test } from 'tap';

/** A loop device over `file`; it goes when the test ends. Needs root. */
export function loopDevice(t: Test, file: string): string {
  const device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  t.teardown(() => {
    execFileSync('losetup', ['--detach', device]);
  });
  return device;
}
