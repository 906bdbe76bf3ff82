import { messageOf, UmbraError } from '../../../src/common/errors.js';
import { list, record, text } from '../../json-values.js';
import { parseBitmaps } from '../../qemu/disks.js';
import type { QmpClient } from '../../qemu/qmp.js';
import { isOurs, READING_BITMAP } from './names.js';
import type { QemuNbdServer } from './nbd-server.js';

const EXPORT_MS = 10_000;

/**
 * Take away from a QEMU all that a checkpoint is read with: exports, the NBD server, views, filters, scratch nodes, the copy
 * of the bitmap. What there is, QEMU is asked; so it does not matter who made it, and how far that one came. The guest runs on.
 * @throws {UmbraError} TRACKER_FAILED, after everything that could be done was done
 */
export async function cleanUp(qmp: QmpClient, server: QemuNbdServer): Promise<void> {
  const problems: string[] = [];
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      problems.push(messageOf(error));
    }
  };
  for (const id of await ourExports(qmp)) await attempt(() => deleteExport(qmp, id));
  await attempt(() => server.stop(qmp));
  const nodes = await namedNodes(qmp);
  const ours = nodes.filter(({ name }) => isOurs(name));
  const remove = async (driver: string): Promise<void> => {
    for (const node of ours.filter((one) => one.driver === driver)) {
      await attempt(() => qmp.execute('blockdev-del', { 'node-name': node.name }));
    }
  };
  // A view keeps others than the filter from writing to the disk: it goes first.
  await remove('snapshot-access');
  const filters = ours.filter(({ driver }) => driver === 'copy-before-write').map(({ name }) => name);
  if (filters.length > 0) await attempt(() => reconnect(qmp, new Set(filters)));
  await remove('copy-before-write');
  await remove('file');
  for (const { name: node } of nodes.filter(({ bitmaps }) => bitmaps.includes(READING_BITMAP))) {
    await attempt(() => qmp.execute('block-dirty-bitmap-remove', { node, name: READING_BITMAP }));
  }
  if (problems.length === 0) return;
  throw new UmbraError(
    'TRACKER_FAILED',
    `what a checkpoint was read with could not be removed: ${problems.join('; ')}`,
    {
      hint: 'It is tried again before the next checkpoint of the machine.',
    },
  );
}

interface NamedNode {
  readonly name: string;
  readonly driver: string;
  readonly bitmaps: readonly string[];
}

async function namedNodes(qmp: QmpClient): Promise<NamedNode[]> {
  const nodes = list(await qmp.execute('query-named-block-nodes', { flat: true })).map(record);
  return nodes.map((node) => ({
    name: text(node['node-name']) ?? '',
    driver: text(node['drv']) ?? '',
    bitmaps: parseBitmaps(node['dirty-bitmaps']).map(({ name }) => name),
  }));
}

async function ourExports(qmp: QmpClient): Promise<string[]> {
  const exports = list(await qmp.execute('query-block-exports')).map(record);
  return exports.map(({ id }) => text(id) ?? '').filter(isOurs);
}

/** It is gone only when QEMU says so: until then its node is in use. */
async function deleteExport(qmp: QmpClient, id: string): Promise<void> {
  const deleted = qmp.expect('BLOCK_EXPORT_DELETED', (data) => data['id'] === id);
  try {
    await qmp.execute('block-export-del', { id, mode: 'hard' });
    await deleted.wait(EXPORT_MS);
  } finally {
    deleted.cancel();
  }
}

/** Give devices that lead to a filter the node behind it again. */
async function reconnect(qmp: QmpClient, filters: ReadonlySet<string>): Promise<void> {
  const behind = await filteredNodes(qmp);
  for (const device of list(await qmp.execute('query-block')).map(record)) {
    const filter = text(record(device['inserted'])['node-name']);
    const id = text(device['qdev']);
    if (filter === undefined || id === undefined || !filters.has(filter)) continue;
    const path = id.startsWith('/') ? id : `/machine/peripheral/${id}`;
    await qmp.execute('qom-set', { path, property: 'drive', value: behind.get(filter) ?? '' });
  }
}

/** By the name of a node the one that its edge `file` leads to: only this debugging command says that. */
async function filteredNodes(qmp: QmpClient): Promise<ReadonlyMap<string, string>> {
  const graph = record(await qmp.execute('x-debug-query-block-graph'));
  const names = new Map<unknown, string>();
  for (const { id, name } of list(graph['nodes']).map(record)) names.set(id, text(name) ?? '');
  const behind = new Map<string, string>();
  for (const { parent, child, name } of list(graph['edges']).map(record)) {
    const from = names.get(parent);
    const to = names.get(child);
    if (name === 'file' && from !== undefined && to !== undefined) behind.set(from, to);
  }
  return behind;
}
