import { UmbraError } from '../../../src/common/errors.js';
import type { ByteRange, WireError } from '../../../src/protocol/api.js';

/**
 * What the filter is asked over its Unix socket: one JSON object a line, answered in order by one JSON object a line,
 * `{"ok": …}` or `{"error": …}`. The views that a connection has begun end with it.
 */
export type ControlRequest =
  | { readonly op: 'status' }
  | {
      readonly op: 'begin';
      /** The machine. */
      readonly group: string;
      readonly id: string;
      readonly since?: string;
      readonly files: readonly { readonly name: string; readonly path: string }[];
    }
  /** What was written to a file from `since` to the checkpoint, from the byte `from` on. */
  | { readonly op: 'changes'; readonly token: string; readonly name: string; readonly from: number }
  /** The data of a file of the view, from the byte `from` on. */
  | { readonly op: 'extents'; readonly token: string; readonly name: string; readonly from: number }
  | { readonly op: 'acknowledge'; readonly token: string }
  | { readonly op: 'end'; readonly token: string }
  | { readonly op: 'forget'; readonly group: string };

export interface StatusAnswer {
  readonly directory: string;
  /** Why nothing is known of what was before the filter began; absent when it is. */
  readonly lost?: string;
  readonly groups: readonly string[];
  readonly views: readonly {
    readonly token: string;
    readonly group: string;
    readonly id: string;
    readonly sideBytes: number;
    readonly broken?: string;
  }[];
}

export interface BeginAnswer {
  readonly token: string;
  readonly timeMs: number;
  readonly pauseMs: number;
  readonly files: readonly {
    readonly name: string;
    /** Absolute: where the file of the view can be read. */
    readonly path: string;
    readonly sizeBytes: number;
    /** Why nobody vouches for what did not change; absent when the filter does. */
    readonly unknown?: string;
  }[];
}

export interface RangesAnswer {
  readonly ranges: readonly ByteRange[];
  /** Ask again from here; absent at the end. */
  readonly next?: number;
}

export type ControlAnswer = { readonly ok: unknown } | { readonly error: WireError };

/** Ranges in one answer. */
export const MAX_RANGES = 8192;
const MAX_FILES = 1024;
const MAX_NAME = 255;
const MAX_PATH = 4096;

/** @throws {UmbraError} BAD_ARGUMENT that names what is wrong */
export function parseRequest(line: string): ControlRequest {
  const request = record(parseJson(line), 'the request');
  const { op } = request;
  switch (op) {
    case 'status':
      return { op };
    case 'begin':
      return { op, ...begin(request) };
    case 'changes':
    case 'extents':
      return { op, token: text(request, 'token'), name: text(request, 'name'), from: offset(request, 'from') };
    case 'acknowledge':
    case 'end':
      return { op, token: text(request, 'token') };
    case 'forget':
      return { op, group: text(request, 'group') };
    default:
      throw wrong('op');
  }
}

function begin(request: Record<string, unknown>): Omit<Extract<ControlRequest, { readonly op: 'begin' }>, 'op'> {
  const { files, since } = request;
  if (!Array.isArray(files) || files.length === 0 || files.length > MAX_FILES) throw wrong('files');
  return {
    group: text(request, 'group'),
    id: checkpointId(request, 'id'),
    ...(since === undefined ? {} : { since: checkpointId(request, 'since') }),
    files: files.map((value: unknown) => {
      const file = record(value, 'a file');
      return { name: text(file, 'name'), path: innerPath(file) };
    }),
  };
}

function checkpointId(from: Record<string, unknown>, field: string): string {
  const id = from[field];
  if (typeof id !== 'string' || !/^[a-z0-9]{1,32}$/.test(id)) throw wrong(field);
  return id;
}

/** Absolute below the directory, and never out of it. */
function innerPath(file: Record<string, unknown>): string {
  const { path } = file;
  if (typeof path !== 'string' || path.length > MAX_PATH || path.includes('\0')) throw wrong('path');
  const parts = path.split('/').slice(1);
  if (!path.startsWith('/') || parts.some((part) => part === '' || part === '.' || part === '..')) throw wrong('path');
  return path;
}

function offset(from: Record<string, unknown>, field: string): number {
  const value = from[field];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(field);
  return value;
}

function text(from: Record<string, unknown>, field: string): string {
  const value = from[field];
  if (typeof value !== 'string' || value === '' || value.length > MAX_NAME) throw wrong(field);
  return value;
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new UmbraError('BAD_ARGUMENT', `${what} is not an object`);
  return { ...value };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new UmbraError('BAD_ARGUMENT', 'the request is not JSON', { cause });
  }
}

function wrong(field: string): UmbraError {
  return new UmbraError('BAD_ARGUMENT', `"${field}" of the request is missing or wrong`);
}
