import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import { loopDevice } from '../loop-device.js';
import { sparseFile } from './partitioned.js';

const MIB = 1024 * 1024;

/** A volume group that LVM's own programs made, on files. There is no device-mapper here, so it has no volumes yet. */
export interface MadeGroup {
  /** The images of the physical volumes, `pv0` first. */
  readonly files: readonly string[];
  /** Write the section `logical_volumes` (its inside) into the metadata; LVM checks it. */
  restore(logicalVolumes: string): void;
  /** A report of `lvs -a`, by the names of columns. */
  lvs(columns: string): Record<string, string>[];
  /** The metadata as LVM writes them. */
  backup(): string;
}

/** Make a volume group with extents of 1 MiB that begin at 1 MiB. Needs root. */
export function makeGroup(
  t: Test,
  name: string,
  sizesMib: readonly number[],
  extra: readonly string[] = [],
): MadeGroup {
  const files = sizesMib.map((size, index) => sparseFile(t, size * MIB, `pv${index}.raw`));
  const devices = files.map((file) => loopDevice(t, file));
  const directory = dirname(files[0] ?? '');
  const run = lvm(directory, devices);
  run('pvcreate', '-y', '--dataalignment', '1m', ...extra, ...devices);
  run('vgcreate', '-s', '1m', name, ...devices);
  const saved = join(directory, 'saved');
  const backup = (): string => {
    run('vgcfgbackup', '-f', saved, name);
    return readFileSync(saved, 'utf8');
  };
  return {
    files,
    backup,
    restore(logicalVolumes) {
      const end = /\n\t?\}\s*$/;
      const text = backup().replace(/\n\tlogical_volumes \{[\s\S]*?\n\t\}\n/, '\n');
      writeFileSync(saved, text.replace(end, `\n\tlogical_volumes {\n${logicalVolumes}\n\t}\n}\n`));
      run('vgcfgrestore', '--force', '-f', saved, name);
    },
    lvs(columns) {
      const text = run('lvs', '-a', '--reportformat', 'json', '--units', 'b', '--nosuffix', '-o', columns, name);
      return (JSON.parse(text) as { report: [{ lv: Record<string, string>[] }] }).report[0].lv;
    },
  };
}

/** LVM with these devices only, and nothing of this machine's own settings. */
function lvm(directory: string, devices: readonly string[]): (program: string, ...arguments_: string[]) => string {
  const filter = [...devices.map((device) => `"a|^${device}$|"`), '"r|.*|"'].join(',');
  const config =
    `devices { filter=[${filter}] use_devicesfile=0 obtain_device_list_from_udev=0 } ` +
    `backup { backup=0 archive=0 backup_dir="${directory}" archive_dir="${directory}" } global { event_activation=0 }`;
  return (program, ...arguments_) =>
    execFileSync(program, ['--config', config, ...arguments_], {
      encoding: 'utf8',
      env: { ...process.env, LVM_SUPPRESS_FD_WARNINGS: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
}

let ids = 0;

/** A logical volume as a section of LVM's metadata. */
export function volumeText(name: string, segments: readonly string[], status = '"READ", "WRITE", "VISIBLE"'): string {
  const id = `aaaaaa-aaaa-aaaa-aaaa-aaaa-aaaa-${String(++ids).padStart(6, '0')}`;
  const texts = segments.map((segment, index) => `segment${index + 1} {\n${segment}\n}`);
  return `${name} {\nid = "${id}"\nstatus = [${status}]\nsegment_count = ${segments.length}\n${texts.join('\n')}\n}`;
}

/** A segment; what of `settings` is a text is written as it is. */
export function segmentText(start: number, extents: number, type: string, settings: string): string {
  return `start_extent = ${start}\nextent_count = ${extents}\ntype = "${type}"\n${settings}`;
}
