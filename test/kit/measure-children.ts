import processOnSpawn from 'process-on-spawn';

/**
 * tap has each test load this first. By itself it has every Node.js that a test starts, and every thread of it, load what measures
 * coverage, with one more thread for modules: 0.4 s of the processor each time. measure-process.js counts
 * the same without.
 */
const TAPS = /"?--import=[^ "]*\/@tapjs\/processinfo\/[^ "]*"?/;
const IS_MEASURED = process.env['_TAPJS_PROCESSINFO_COVERAGE_'] === '1';
const MEASURE = `--import=${new URL('measure-process.js', import.meta.url).href}`;

processOnSpawn.removeAllListeners();
const options = (process.env['NODE_OPTIONS'] ?? '').replace(TAPS, '').trim();
if (options === '') delete process.env['NODE_OPTIONS'];
else process.env['NODE_OPTIONS'] = options;
// What is forked is given these.
process.execArgv = process.execArgv.filter((arg) => !arg.startsWith('--import='));
// Not by the variable of this process: its threads would load that, too.
if (IS_MEASURED) {
  processOnSpawn.addListener((child) => {
    child.env = { ...child.env, NODE_OPTIONS: `${child.env['NODE_OPTIONS'] ?? ''} ${MEASURE}`.trim() };
  });
}
