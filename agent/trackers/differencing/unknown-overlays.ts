import { isUmbraError, messageOf, UmbraError } from '../../../src/common/errors.js';
import { list, record, text } from '../../json-values.js';
import type { Domain } from '../../libvirt/domain.js';
import { chainNodes } from '../../qemu/chain-nodes.js';
import type { QmpCommands } from '../../qemu/commands.js';
import { refuseJobs } from '../../qemu/jobs.js';
import { beginMerge, endMerge, MERGE_JOB } from './merge-job.js';
import { notMerged } from './merging.js';
import type { ChainDisk, Merged, NoteMerges, WhileStill } from './overlay-machine.js';

/** Overlays of ours that a disk of a QEMU begins with, and that whoever runs it does not know of. */
export interface Unknown {
  readonly volume: string;
  /** The node that the guest writes to, and the one that it is taken to write to. */
  readonly root: string;
  readonly base: string;
  /** Their paths, the top first, and that of what they lie on. */
  readonly overlays: readonly string[];
  readonly onto: string;
}

/**
 * What a QEMU has more than libvirt knows of: it was killed when QEMU had put overlays on the disks, and before it had noted them.
 * @param disks - as libvirt has them
 * @param left - overlays of ours that none of these have
 * @throws {UmbraError} TRACKER_FAILED when they lie otherwise than on what libvirt knows; HYPERVISOR_*
 */
export async function findUnknown(
  qmp: QmpCommands,
  disks: readonly ChainDisk[],
  left: readonly string[],
): Promise<readonly Unknown[]> {
  const files = await filesOf(qmp, left);
  const found: Unknown[] = [];
  for (const { inserted } of list(await qmp.execute('query-block')).map(record)) {
    const root = text(record(inserted)['node-name']);
    const nodes = root === undefined ? [] : await chainNodes(qmp, root);
    const paths = nodes.map((node) => files.get(node) ?? '');
    if (root === undefined || !paths.some((path) => left.includes(path))) continue;
    const count = paths.findIndex((path) => !left.includes(path));
    const onto = paths[count] ?? '';
    const volume = disks.find(({ layers }) => layers[0] === onto)?.volume;
    const isWhole = paths.slice(count).every((path) => !left.includes(path));
    if (count <= 0 || volume === undefined || !isWhole) throw tangled(paths);
    found.push({ volume, root, base: nodes[count] ?? '', overlays: paths.slice(0, count), onto });
  }
  return found;
}

/** What merging them needs of the machine. */
export interface UnknownTools {
  readonly find: () => Promise<readonly Unknown[]>;
  /** Throws while anything else works on the machine. */
  readonly refuse: () => Promise<void>;
  readonly note: NoteMerges;
  readonly whileStill: WhileStill;
}

/**
 * Merge them into what libvirt knows, which the guest writes to then. The guest runs on.
 * @throws {UmbraError} TRACKER_BUSY, TRACKER_FAILED, HYPERVISOR_*: nothing is lost, it can be tried again
 */
export async function mergeUnknown(qmp: QmpCommands, tools: UnknownTools): Promise<readonly Merged[]> {
  const { find, refuse, note, whileStill } = tools;
  await refuse();
  await refuseJobs(qmp, MERGE_JOB);
  // Of an agent that was killed: what it did not do is done again.
  await endMerge(qmp, 'job-cancel', whileStill);
  try {
    return await mergeAll(qmp, tools);
  } catch (error) {
    // Nothing is noted of what QEMU says that it still has.
    for (const { volume } of await find().catch(() => [])) await note(volume, []);
    throw error;
  }
}

async function mergeAll(qmp: QmpCommands, { find, note, whileStill }: UnknownTools): Promise<readonly Merged[]> {
  const merged: Merged[] = [];
  for (const { volume, root, base, overlays, onto } of await find()) {
    const merges = overlays.map((path) => ({ volume, path, onto }));
    await note(volume, merges);
    await beginMerge(qmp, root, root, base);
    const failure = await endMerge(qmp, 'job-complete', whileStill);
    if (failure !== undefined) throw notMerged(volume, overlays.join(', '), onto, failure);
    merged.push(...merges);
  }
  const [still] = await find();
  if (still !== undefined) throw notMerged(still.volume, still.overlays.join(', '), still.onto);
  return merged;
}

/**
 * QEMU lets go of overlays that are on none of its disks, whoever merged them: if their files were deleted before, it would open them again at
 * the next merge, and end. The job that merged them goes, too.
 * @throws {UmbraError} TRACKER_FAILED, HYPERVISOR_*
 */
export async function letGoOf(qmp: QmpCommands, paths: readonly string[], whileStill: WhileStill): Promise<void> {
  await endMerge(qmp, 'job-cancel', whileStill);
  await removeNodes(qmp, paths);
}

/**
 * Why it is not done, and what must not be done until it is. No other tracker may make the backup meanwhile: through libvirt it
 * would read what lies below. So it is neither of the codes with which one may.
 */
export function mustRunOn({ name }: Pick<Domain, 'name'>, left: readonly string[], why: unknown): UmbraError {
  const wait = isUmbraError(why) && why.hint !== undefined ? ` ${why.hint}` : '';
  const what = `libvirt does not know whether ${name} writes to ${left.join(', ')}: ${messageOf(why)}`;
  return new UmbraError('TRACKER_UNAVAILABLE', what, {
    hint: `Do not shut ${name} down, and delete no overlay: it would start without what it has written since.${wait}`,
    cause: why,
  });
}

/** By node. One that QEMU describes by JSON has the path that is in there. */
async function filesOf(qmp: QmpCommands, left: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const nodes = list(await qmp.execute('query-named-block-nodes', { flat: true })).map(record);
  return new Map(
    nodes.map((node) => {
      const filename = text(record(node['image'])['filename']) ?? '';
      const isJson = filename.startsWith('json:');
      const path = isJson ? left.find((each) => filename.includes(JSON.stringify(each))) : undefined;
      return [text(node['node-name']) ?? '', path ?? filename];
    }),
  );
}

/** What is in a file goes before it. */
async function removeNodes(qmp: QmpCommands, paths: readonly string[]): Promise<void> {
  const nodes = list(await qmp.execute('query-named-block-nodes', { flat: true })).map(record);
  const files = await filesOf(qmp, paths);
  const isFile = ({ drv }: Readonly<Record<string, unknown>>): boolean => drv === 'file';
  for (const node of [...nodes.filter((each) => !isFile(each)), ...nodes.filter(isFile)]) {
    const name = text(node['node-name']) ?? '#';
    // What QEMU named itself goes with what it is a part of.
    if (name.startsWith('#') || !paths.includes(files.get(name) ?? '')) continue;
    await qmp.execute('blockdev-del', { 'node-name': name });
  }
}

function tangled(paths: readonly string[]): UmbraError {
  return new UmbraError('TRACKER_FAILED', `QEMU has the chain ${paths.join(' on ')}, which libvirt does not know of`);
}
