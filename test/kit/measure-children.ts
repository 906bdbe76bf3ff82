import { resolve } from 'node:path';
import processOnSpawn from 'process-on-spawn';

/**
 * tap has each test load this first. By itself it has every Node.js that a test starts load what measures coverage, with a thread of its
 * own for modules: 0.4 s of the processor for each of some thousand processes. Node.js can do it alone, for a tenth of that, and writes what
 * tap's report reads.
 */
processOnSpawn.removeAllListeners();
const options = (process.env['NODE_OPTIONS'] ?? '')
  .replace(/"?--import=[^ "]*\/@tapjs\/processinfo\/[^ "]*"?/, '')
  .trim();
if (options === '') delete process.env['NODE_OPTIONS'];
else process.env['NODE_OPTIONS'] = options;
// What is forked is given these.
process.execArgv = process.execArgv.filter((arg) => !arg.startsWith('--import='));
if (process.env['_TAPJS_PROCESSINFO_COVERAGE_'] === '1') process.env['NODE_V8_COVERAGE'] = resolve('.tap/coverage');
