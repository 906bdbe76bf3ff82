import { SEQUENCE_LIMIT } from './keys.js';

/** Objects whose numbers follow one another, and that are read in one go: some 100 MB. */
export const SEGMENT_OBJECTS = 4096;
/** The tables of `meta` are a segment of their own, behind all others. */
export const META_SEGMENT = SEQUENCE_LIMIT / SEGMENT_OBJECTS;

/** A moment, by the clock that people set and by the one that nobody does (TrustedTime). */
export interface Moment {
  readonly wallMs: number;
  readonly trustedMs: number;
}

/** A part of the store that is read at a time: objects that were stored one after the other. */
export interface Segment {
  readonly index: number;
  /** How many objects it has, or as much work as so many; what is collected counts until it is read. And bytes of frames. */
  readonly objects: number;
  readonly bytes: number;
  /** When reading it began last; when it was first seen, if it was never read. */
  readonly mark: Moment;
  readonly isRead: boolean;
}

export interface ScrubPlan {
  /** What is read next; undefined where there is nothing. */
  readonly next: Segment | undefined;
  /** In how long it is begun so that all is read evenly over the period. */
  readonly waitMs: number;
  /** Something is due for so long that it is read whoever else is busy. */
  readonly isBehind: boolean;
  /** Something was not read for longer than the period. */
  readonly isLate: boolean;
}

/** Everything is meant to be read after this part of the period; the rest is for servers that were off, or busy. */
const AIM = 0.8;

/**
 * How old a moment is. The longer one of two clocks counts: a clock that was set back makes nothing young, and time in which the machine
 * was off, which the trusted one does not know, makes things old. One that was set forward has things read too early.
 */
export function ageMs(mark: Moment, now: Moment): number {
  return Math.max(0, now.wallMs - mark.wallMs, now.trustedMs - mark.trustedMs);
}

/** Segments in the order in which they are read: the one that was read longest ago first, of several one that never was, else in that of their objects. */
export function inOrder(segments: Iterable<Segment>, now: Moment): Segment[] {
  return [...segments]
    .map((segment) => ({ segment, age: ageMs(segment.mark, now) }))
    .sort(
      (a, b) =>
        b.age - a.age || Number(a.segment.isRead) - Number(b.segment.isRead) || a.segment.index - b.segment.index,
    )
    .map(({ segment }) => segment);
}

/**
 * What is to be read next, and when. Each segment is to be read before it is older than a part of the period; the pace is the slowest one
 * at which all of them are, in their order. So it follows from what was read when, and neither from how far a pass is nor from
 * how much there was when that began: what was added, collected, or missed changes the pace.
 */
export function planScrub(segments: Iterable<Segment>, now: Moment, periodMs: number): ScrubPlan {
  const ordered = inOrder(segments, now);
  const aimMs = AIM * periodMs;
  const [next] = ordered;
  if (next === undefined) return { next, waitMs: Infinity, isBehind: false, isLate: false };
  const oldestMs = ageMs(next.mark, now);
  const isLate = oldestMs > periodMs;
  if (oldestMs >= aimMs) return { next, waitMs: 0, isBehind: true, isLate };
  let objects = 0;
  let pace = 0;
  let lastMs = Infinity;
  for (const segment of ordered) {
    const age = ageMs(segment.mark, now);
    objects += segment.objects;
    pace = Math.max(pace, objects / (aimMs - age));
    if (segment.isRead) lastMs = Math.min(lastMs, age);
  }
  const sinceLastMs = Number.isFinite(lastMs) ? lastMs : oldestMs;
  const waitMs = pace === 0 ? aimMs - oldestMs : next.objects / pace - sinceLastMs;
  return { next, waitMs: Math.min(Math.max(0, waitMs), aimMs - oldestMs), isBehind: false, isLate };
}

/** How far reading everything is. The tables of `meta` are no objects: they are counted nowhere. */
export interface ScrubFigures {
  readonly objects: number;
  /** Of frames; those that were never read are taken for as large as the others. */
  readonly bytes: number;
  /** Objects that were never read since they were stored. */
  readonly unreadObjects: number;
  /** Every object that was there then was read since, and the tables of `meta`; undefined as long as one was not. */
  readonly readSince: Moment | undefined;
  /** How long ago that is; with what was never read, how long that has been waiting. */
  readonly oldestMs: number;
  /** Of the pass that runs: since when, objects read in it, and how many there are to read. */
  readonly pass: { readonly begin: Moment | undefined; readonly readObjects: number };
  readonly bytesPerDay: number;
  /** In how long the pass is at its end, at this pace. */
  readonly passLeftMs: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * The figures of these segments. A pass goes from the first object to the last.
 * @param diskBytes what all of it takes on the disk: its size, as long as nothing was read
 */
export function scrubFigures(
  segments: Iterable<Segment>,
  now: Moment,
  periodMs: number,
  diskBytes: number,
): ScrubFigures {
  const ordered = inOrder(segments, now);
  const [oldest] = ordered;
  const first = ordered.reduce((a, b) => (b.index < a.index ? b : a), ordered[0] ?? NONE);
  const passAgeMs = first.isRead ? ageMs(first.mark, now) : -1;
  const unread = ordered.filter(({ isRead }) => !isRead);
  const passed = ordered.filter(({ isRead, mark }) => isRead && ageMs(mark, now) <= passAgeMs);
  const aimMs = AIM * periodMs;
  const work = workOf(ordered);
  const bytesRead = ordered.reduce((sum, segment) => sum + segment.bytes, 0);
  const bytes = bytesRead === 0 ? diskBytes : Math.round((bytesRead * work) / (work - workOf(unread)));
  return {
    objects: objectsOf(ordered),
    bytes,
    unreadObjects: objectsOf(unread),
    readSince: unread.length === 0 ? oldest?.mark : undefined,
    oldestMs: oldest === undefined ? 0 : ageMs(oldest.mark, now),
    pass: { begin: first.isRead ? first.mark : undefined, readObjects: objectsOf(passed) },
    bytesPerDay: (bytes / aimMs) * DAY_MS,
    passLeftMs: work === 0 ? 0 : (aimMs * (work - workOf(passed))) / work,
  };
}

function workOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { objects }) => sum + objects, 0);
}

function objectsOf(segments: readonly Segment[]): number {
  return workOf(segments.filter(({ index }) => index !== META_SEGMENT));
}

const NONE: Segment = { index: 0, objects: 0, bytes: 0, mark: { wallMs: 0, trustedMs: 0 }, isRead: false };
