import { UmbraError } from '../common/errors.js';

/** A thing that answers one method on one route. */
interface Routed {
  readonly method: string;
  /** `/v1/stats`, or with one parameter as its last part: `/v1/jobs/:id`. */
  readonly route: string;
}

export interface Match<T> {
  readonly target: T;
  /** The last part of the path where the route ends in a parameter. */
  readonly tail: string | undefined;
}

/** The path is known, but not with this method. */
export interface WrongMethod {
  readonly allow: readonly string[];
}

/** Finds what answers a request; undefined when nothing has this path. */
export function findRoute<T extends Routed>(
  table: readonly T[],
  method: string,
  path: string,
): Match<T> | WrongMethod | undefined {
  const matches = table.filter(({ route }) => matchesRoute(route, path));
  if (matches.length === 0) return undefined;
  const target = matches.find((entry) => entry.method === method);
  if (target === undefined) return { allow: matches.map((entry) => entry.method) };
  return { target, tail: target.route.includes(':') ? path.slice(path.lastIndexOf('/') + 1) : undefined };
}

function matchesRoute(route: string, path: string): boolean {
  const colon = route.indexOf(':');
  if (colon < 0) return route === path;
  const tail = path.slice(colon);
  return path.startsWith(route.slice(0, colon)) && tail !== '' && !tail.includes('/');
}

/** @throws {UmbraError} BAD_ARGUMENT for a target that is not a path */
export function parseTarget(target: string | undefined): URL {
  if (target?.startsWith('/') === true && !target.startsWith('//')) {
    if (URL.canParse(target, 'http://umbra')) return new URL(target, 'http://umbra');
  }
  throw new UmbraError('BAD_ARGUMENT', 'the request has no valid path');
}
