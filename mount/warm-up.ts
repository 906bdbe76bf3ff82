import { Listing, type TreeScope } from './listing.js';
import type { ShadowCopySource } from './source.js';
import type { VirtualTree } from './tree.js';

export interface WarmUpOptions {
  readonly tree: VirtualTree;
  readonly source: ShadowCopySource;
  readonly scope: TreeScope | undefined;
}

/** A machine with more devices is not looked into further. */
const MAX_DEVICES = 8;

/**
 * Lists the newest files once, as the first user will: what shows them is compiled by that, a third of a first listing, and the
 * newest are the likeliest to be asked for.
 *
 * @throws {TreeError | UmbraError} what a user would be told
 */
export async function warmUp({ tree, source, scope }: WarmUpOptions): Promise<void> {
  const newest = await newestPath(new Listing(source, scope, () => undefined));
  if (newest === undefined) return;
  const files = `${newest}/files`;
  for (const { name, kind } of (await tree.list(files)).slice(0, MAX_DEVICES)) {
    if (kind === 'directory') await lookInto(tree, `${files}/${name}`);
  }
}

async function newestPath(listing: Listing): Promise<string | undefined> {
  let newest: { readonly path: string; readonly timeMs: number } | undefined;
  for (const machine of await listing.machines()) {
    const last = (await listing.versions(machine)).list.at(-1);
    if (last === undefined || last.timeMs <= (newest?.timeMs ?? -1)) continue;
    newest = { path: `/${machine}/${last.name}`, timeMs: last.timeMs };
  }
  return newest?.path;
}

async function lookInto(tree: VirtualTree, directory: string): Promise<void> {
  await tree.stat(directory);
  for await (const [entry] of tree.batches(directory)) {
    if (entry !== undefined) await tree.stat(`${directory}/${entry.name}`);
    return;
  }
}
