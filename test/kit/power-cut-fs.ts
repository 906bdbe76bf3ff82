import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Teardown } from './umbra-program.js';

/** What power-cut-server.ts is told. */
export type PowerCutCommand =
  | { readonly kind: 'cut'; readonly target: string; readonly seed: number }
  | { readonly kind: 'end' };

/** A mounted file system that forgets at a power cut what was not synced; see power-cut-files.ts. */
export interface PowerCutFs {
  readonly mountPoint: string;
  /**
   * Cut the power: everything fails with EIO, and what survives is written into `target`. Programs
   * that use the file system must be killed afterwards; one that reads a mapped file dies of SIGBUS.
   */
  cut(target: string, seed: number): Promise<void>;
}

/** Mount a new, empty one, until `t` ends. Only other processes than this one may use it. */
export async function mountPowerCutFs(t: Teardown): Promise<PowerCutFs> {
  const mountPoint = mkdtempSync(join(tmpdir(), 'umbra-power-'));
  const program = fileURLToPath(new URL('power-cut-server.js', import.meta.url));
  const server = fork(program, [mountPoint], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  t.teardown(async () => {
    await end(server);
    unmountIfThere(mountPoint);
    rmdirSync(mountPoint);
  });
  await once(server, 'message');
  return {
    mountPoint,
    async cut(target, seed) {
      const done = once(server, 'message');
      server.send({ kind: 'cut', target, seed } satisfies PowerCutCommand);
      await done;
    },
  };
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exit = once(server, 'exit');
  server.send({ kind: 'end' } satisfies PowerCutCommand);
  await exit;
}

/** A server that crashed leaves a dead mount. */
function unmountIfThere(mountPoint: string): void {
  try {
    execFileSync('fusermount', ['-uz', '--', mountPoint], { stdio: 'ignore' });
  } catch {
    // It ended as it should and is unmounted.
  }
}
