import { setFlagsFromString } from 'node:v8';

import type { Clock } from '../common/clock.js';
import { keepFreedMemory, setMalloc, trimMalloc } from '../system/malloc.js';

/**
 * V8 compiles a function for speed after it has run so many bytecodes, eight times its default. A backup into a new store
 * spent a tenth of its CPU time in that compiler, in each of three threads.
 */
const INTERRUPT_BUDGET = 1_000_000;

/**
 * The heap of each thread may grow by so much, in percent of what was alive, before it is collected as a whole; V8's own
 * choice is up to 300. What caches let go of, and the buffers that hang on it, would else make up most of the memory: a
 * search of 300,000 files in all shadow copies took 289 MB, and 224 with 50. But the pieces in which a GiB comes from an agent
 * had the heap collected 52 times with 50, and 23 times so.
 */
const HEAP_GROWTH_PERCENT = 150;

/** Arenas of malloc; each keeps what its threads once needed. The default is eight for each core. */
const MALLOC_ARENAS = 2;

/** With more memory in use than this, what malloc holds and nobody uses is given back now and then. */
const TRIM_ABOVE_BYTES = 128 * 1024 * 1024;
/**
 * What is given back has to be taken again page by page, so that it is done when the process has little to do, and in the midst of work
 * only now and then: trimming every half second took a GiB from an agent 220,000 more page faults.
 */
const LOOK_EVERY_MS = 2000;
const LITTLE_WORK_MS = 200;
const MOST_LOOKS = 15;

/** Set what can only be set for the whole process. Call it once, before worker threads start. */
export function tuneProcess(clock: Clock): void {
  setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET}`);
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
  setMalloc('arenaMax', MALLOC_ARENAS);
  keepFreedMemory();
  trimNowAndThen(clock);
}

function trimNowAndThen(clock: Clock): void {
  let before = process.cpuUsage();
  let looks = 0;
  const look = (): void => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    looks++;
    if (user + system < LITTLE_WORK_MS * 1000 || looks >= MOST_LOOKS) {
      if (process.memoryUsage.rss() > TRIM_ABOVE_BYTES) trimMalloc();
      looks = 0;
    }
    clock.after(LOOK_EVERY_MS, look);
  };
  look();
}
