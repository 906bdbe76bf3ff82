/**
 * A program: serves the file system of power-cut-files.ts at `argv[2]`, in a process of its own,
 * as a process must not touch its own mount. power-cut-fs.ts starts it and talks to it.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Fuse from 'fuse-native';
import { DurableDirectory, DurableFile } from './power-cut-files.js';
import type { PowerCutCommand } from './power-cut-fs.js';
import { PowerCutHandlers } from './power-cut-handlers.js';
import { Random } from './random.js';

class PowerCutFuse extends Fuse {
  protected override _fuseOptions(): string {
    // Without big_writes the kernel writes 4 KiB at a time.
    return '-obig_writes,fsname=umbra-power-cut';
  }
}

const [, , mountPoint = ''] = process.argv;
const handlers = new PowerCutHandlers();
const fuse = new PowerCutFuse(mountPoint, handlers.operations(), { timeout: false });

process.on('message', (command: PowerCutCommand) => {
  if (command.kind === 'end') {
    end();
    return;
  }
  handlers.cutPower();
  writeSurviving(handlers.root, command.target, new Random(command.seed));
  process.send?.('cut');
});
process.on('disconnect', end);

fuse.mount((error) => {
  if (error) throw error;
  process.send?.('mounted');
});

function end(): void {
  execFile('fusermount', ['-uz', '--', mountPoint], () => process.exit(0));
}

function writeSurviving(directory: DurableDirectory, target: string, random: Random): void {
  mkdirSync(target, { recursive: true });
  for (const [name, node] of directory.surviving(random)) {
    // Where libfuse keeps files that were deleted while open.
    if (name.startsWith('.fuse_hidden')) continue;
    const path = join(target, name);
    if (node instanceof DurableDirectory) writeSurviving(node, path, random);
    else if (node instanceof DurableFile) writeFileSync(path, node.surviving(random), { mode: node.mode & 0o7777 });
  }
}
