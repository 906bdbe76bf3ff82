import { MergedVolumes } from '../merged/merged-volumes.js';
import type { DirectoryEntry, DirectoryNode, NodeStat, TreeNode } from '../node.js';
import type { ShadowCopySummary, ShadowCopyView } from '../source.js';
import { aboutFile } from './about.js';
import { ConfigNode } from './config.js';
import { directoryStat, type TreeContext, type VersionContext } from './context.js';
import { FilesNode } from './files.js';
import { VERSION_INDEX, versionOwner } from './inode-index.js';
import { VolumesNode } from './volumes.js';

type Child = (context: VersionContext) => TreeNode;

const CHILDREN: ReadonlyMap<string, { kind: TreeNode['kind']; index: number; make: Child }> = new Map([
  ['about.json', { kind: 'file', index: VERSION_INDEX.about, make: aboutFile }],
  ['config', { kind: 'directory', index: VERSION_INDEX.config, make: (context) => new ConfigNode(context) }],
  ['files', { kind: 'directory', index: VERSION_INDEX.files, make: (context) => new FilesNode(context) }],
  ['volumes', { kind: 'directory', index: VERSION_INDEX.volumes, make: (context) => new VolumesNode(context) }],
] satisfies [string, { kind: TreeNode['kind']; index: number; make: Child }][]);

const SUBDIRECTORIES = [...CHILDREN.values()].filter(({ kind }) => kind === 'directory').length;

/** What the nodes of a shadow copy share; made once for each that was looked at last, since every request asks for it. */
function versionContext(context: TreeContext, machine: string, summary: ShadowCopySummary): VersionContext {
  const known = context.versions.get(summary);
  if (known !== undefined) return known;
  const owner = versionOwner(machine, summary.name);
  const made: VersionContext = {
    ...context,
    machine,
    summary,
    ino: (index) => context.inodes.number(owner, index),
    view: () => context.views.get(machine, summary),
    mergedVolumes: async () => mergedVolumes(context, await context.views.get(machine, summary)),
    openFiles: () => context.files.open(machine, summary),
  };
  context.versions.set(summary, made);
  return made;
}

/** The same ones as long as the shadow copy is open. */
function mergedVolumes({ merged, files }: TreeContext, view: ShadowCopyView): MergedVolumes {
  const known = merged.get(view) ?? new MergedVolumes(view, files.caches);
  merged.set(view, known);
  return known;
}

/** A shadow copy. Its own stat and list don't open it, so that `ls -l` of 3,000 of them is cheap. */
export class VersionNode implements DirectoryNode {
  readonly kind = 'directory';
  readonly #context: VersionContext;

  constructor(context: TreeContext, machine: string, summary: ShadowCopySummary) {
    this.#context = versionContext(context, machine, summary);
  }

  stat(): Promise<NodeStat> {
    const { summary } = this.#context;
    const ino = this.#context.ino(VERSION_INDEX.directory);
    return Promise.resolve(directoryStat(this.#context, ino, SUBDIRECTORIES, summary.timeMs));
  }

  lookup(name: string): TreeNode | undefined {
    return CHILDREN.get(name)?.make(this.#context);
  }

  list(): readonly (readonly DirectoryEntry[])[] {
    return [[...CHILDREN].map(([name, { kind, index }]) => ({ name, kind, ino: this.#context.ino(index) }))];
  }
}
