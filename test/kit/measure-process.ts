import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

/** Where what is run of Umbra lies, and where tap's report, which finds the source maps by itself, looks for what ran of it. */
const PROGRAMS = new URL('../../', import.meta.url).href;
const REPORTS = fileURLToPath(new URL('../../../.tap/coverage/', import.meta.url));

/** Note what this process runs of Umbra, which a test has started, until it ends; one that is killed notes nothing. */
function measure(): void {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  process.on('exit', () => {
    session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error;
      const own = result.filter(({ url }) => url.startsWith(PROGRAMS));
      mkdirSync(REPORTS, { recursive: true });
      writeFileSync(`${REPORTS}${randomUUID()}.json`, JSON.stringify({ result: own }));
    });
  });
}

// Threads load this, too, and are ended without a word.
if (isMainThread) measure();
