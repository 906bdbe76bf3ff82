import type { View } from '../checkpoints.js';
import type { ViewFile } from './view-file.js';

/** The directory at the top of the mount that the views are in; no listing shows it. */
export const VIEW_DIRECTORY = '.umbra-view';
const TOP = `/${VIEW_DIRECTORY}`;

export type ViewNode =
  | { readonly kind: 'directory'; readonly names: readonly string[] }
  | { readonly kind: 'file'; readonly file: ViewFile; readonly timeMs: number };

/** True for paths of the mount that are no path of the directory below. */
export function isViewPath(path: string): boolean {
  return path === TOP || path.startsWith(`${TOP}/`);
}

/** Where a file of a view is in the mount. */
export function viewPath(token: string, path: string): string {
  return `${TOP}/${token}${path}`;
}

/** `/.umbra-view/TOKEN/a/b.img`; undefined when there is no such thing. The top lists no tokens. */
export function findInViews(path: string, view: (token: string) => View | undefined): ViewNode | undefined {
  const [, , token = '', ...rest] = path.split('/');
  if (token === '') return { kind: 'directory', names: [] };
  const found = view(token);
  if (found === undefined) return undefined;
  const wanted = ['', ...rest].join('/');
  const file = found.files.find((of) => of.path === wanted);
  if (file !== undefined) return { kind: 'file', file: file.view, timeMs: found.timeMs };
  const inside = found.files.filter((of) => of.path.startsWith(`${wanted}/`));
  if (inside.length === 0) return undefined;
  return {
    kind: 'directory',
    names: [...new Set(inside.map((of) => of.path.slice(wanted.length + 1).split('/')[0] ?? ''))],
  };
}
