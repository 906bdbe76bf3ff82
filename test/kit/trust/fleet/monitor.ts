import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { list, record, text } from '../../../../agent/json-values.js';
import { compareRaw, ofSeveral } from './machine.js';

/** A QEMU's monitor, of the test's own or through libvirt. */
export interface Monitor {
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** @returns `running`, or what QEMU says instead */
export async function runState(monitor: Monitor): Promise<string> {
  return text(record(await monitor.execute('query-status'))['status']) ?? 'unknown';
}

/**
 * Jobs, exports, and bitmaps of more than one checkpoint.
 * @param mayHave - of a node's name: it is no agent's
 * @param isFollowed - false: no bitmap may be there
 */
export async function leftInQemu(
  monitor: Monitor,
  mayHave: (node: string) => boolean,
  isFollowed = true,
): Promise<string[]> {
  const nodes = list(await monitor.execute('query-named-block-nodes', { flat: true })).map(record);
  const names = nodes.map((node) => text(node['node-name']) ?? '').filter((name) => !name.startsWith('#'));
  const bitmaps = nodes.flatMap((node) => list(node['dirty-bitmaps']).map((one) => text(record(one)['name']) ?? ''));
  const exports = list(await monitor.execute('query-block-exports')).map((one) => text(record(one)['id']) ?? '');
  const jobs = list(await monitor.execute('query-jobs')).map((one) => text(record(one)['id']) ?? '');
  return [
    ...names.filter((name) => !mayHave(name)).map((name) => `node ${name}`),
    ...ofSeveral(bitmaps, isFollowed).map((name) => `bitmap ${name}`),
    ...exports.map((name) => `export ${name}`),
    ...jobs.map((name) => `job ${name}`),
  ];
}

/** Compare disks with raw files, through exports of QEMU's own. @param directory - for the socket; short */
export async function compareExports(
  monitor: Monitor,
  directory: string,
  disks: readonly { readonly node: string; readonly raw: string }[],
): Promise<string[]> {
  const path = join(directory, 'truth');
  rmSync(path, { force: true });
  await monitor.execute('nbd-server-start', { addr: { type: 'unix', data: { path } } });
  try {
    const differences: string[] = [];
    for (const { node, raw } of disks) {
      await monitor.execute('block-export-add', { type: 'nbd', id: `truth-${node}`, 'node-name': node, name: node });
      differences.push(...(await compareRaw(raw, `nbd+unix:///${node}?socket=${path}`)));
    }
    return differences;
  } finally {
    await monitor.execute('nbd-server-stop');
  }
}
