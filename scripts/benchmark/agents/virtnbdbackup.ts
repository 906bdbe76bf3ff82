import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { run } from '../process.js';
import { runTimed, type Timed } from './process-time.js';

export interface PeerBackup extends Timed {
  /** Of the copy, so far. */
  readonly bytes: number;
  /** Until what was written is on disk, behind the end of the program: Umbra's backup is when it ends. */
  readonly flushSeconds: number;
}

/** virtnbdbackup, which streams a domain's disks into a directory. */
export class Virtnbdbackup {
  readonly #directory: string;
  readonly #sockets: string;

  /** @param sockets - of the private libvirt; virtnbdbackup knows only the usual place, so they are put there for it alone */
  constructor(directory: string, sockets: string) {
    this.#directory = directory;
    this.#sockets = sockets;
  }

  static async version(): Promise<string> {
    return (await run('virtnbdbackup', ['--version'])).stdout.trim();
  }

  /** @param level - a full one begins a directory of its own */
  async backup(domain: string, level: 'full' | 'inc'): Promise<PeerBackup> {
    const target = path.join(this.#directory, 'copy');
    const scratch = path.join(this.#directory, 'scratch');
    if (level === 'full') rmSync(target, { recursive: true, force: true });
    for (const directory of [target, scratch]) mkdirSync(directory, { recursive: true });
    const before = sizeOf(target);
    const program = ['virtnbdbackup', '-d', domain, '-l', level, '-o', target, '-S', scratch, '-n'];
    const script = 'mount --bind "$0" /run/libvirt && exec "$@"';
    const inNamespace = ['--mount', '--propagation', 'private', 'bash', '-c', script, this.#sockets];
    const timed = await runTimed('unshare', [...inNamespace, ...program]);
    const flushed = await run('sync', ['-f', target]);
    return { ...timed, bytes: sizeOf(target) - before, flushSeconds: flushed.seconds };
  }
}

function sizeOf(directory: string): number {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return files.reduce((sum, file) => sum + statSync(path.join(directory, file)).size, 0);
}
