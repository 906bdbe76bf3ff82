import { execFileSync } from 'node:child_process';
import t from 'tap';

t.test('the process goes on as before, with fewer compilations', async (t) => {
  const module = new URL('../../../src/server/tune-process.js', import.meta.url).href;
  const clock = new URL('../../../src/common/clock.js', import.meta.url).href;
  const program = `
    const { systemClock } = await import(${JSON.stringify(clock)});
    const { tuneProcess } = await import(${JSON.stringify(module)});
    tuneProcess(systemClock);
    let sum = 0;
    for (let index = 0; index < 1e7; index++) sum += index % 7;
    console.log(sum);
  `;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  t.equal(printed.trim(), String(29_999_994));
});

t.test('what a cache lets go of does not make up most of the heap', async (t) => {
  const module = new URL('../../../src/server/tune-process.js', import.meta.url).href;
  const clock = new URL('../../../src/common/clock.js', import.meta.url).href;
  const program = `
    import { getHeapStatistics } from 'node:v8';
    const { systemClock } = await import(${JSON.stringify(clock)});
    const { tuneProcess } = await import(${JSON.stringify(module)});
    tuneProcess(systemClock);
    const kept = [];
    let most = 0;
    for (let index = 0; index < 3e6; index++) {
      kept[index % 200_000] = { index, more: [index, index + 1] };
      if (index % 50_000 === 0) most = Math.max(most, getHeapStatistics().total_heap_size);
    }
    console.log(most);
  `;
  const args = ['--max-semi-space-size=2', '--input-type=module', '-e', program];
  const most = Number(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  // Some 20 MB are alive at any time; V8 by itself lets it grow to 106.
  t.ok(most > 20_000_000 && most < 80_000_000, `${most} bytes`);
});
