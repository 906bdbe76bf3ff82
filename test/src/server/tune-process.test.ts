import { execFileSync } from 'node:child_process';
import t from 'tap';

/** What a program prints as a number that begins as a server does. */
function tuned(program: string, clock = 'systemClock', flags: readonly string[] = []): number {
  const url = (file: string): string => JSON.stringify(new URL(`../../../src/${file}`, import.meta.url).href);
  const begin = `
    const { systemClock } = await import(${url('common/clock.js')});
    const { tuneProcess } = await import(${url('server/tune-process.js')});
    tuneProcess(${clock});
  `;
  const args = [...flags, '--input-type=module', '-e', begin + program];
  // scripts/test sets malloc for all tests.
  const env = { ...process.env, GLIBC_TUNABLES: '' };
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8', env }));
}

t.test('the process goes on as before, with fewer compilations', (t) => {
  const sum = tuned(`
    let sum = 0;
    for (let index = 0; index < 1e7; index++) sum += index % 7;
    console.log(sum);
  `);
  t.equal(sum, 29_999_994);
  t.end();
});

t.test('what a cache lets go of does not make up most of the heap', (t) => {
  const most = tuned(
    `
    const { getHeapStatistics } = await import('node:v8');
    const kept = [];
    let most = 0;
    for (let index = 0; index < 3e6; index++) {
      kept[index % 200_000] = { index, more: [index, index + 1] };
      if (index % 50_000 === 0) most = Math.max(most, getHeapStatistics().total_heap_size);
    }
    console.log(most);
  `,
    'systemClock',
    ['--max-semi-space-size=2'],
  );
  // Some 20 MB are alive at any time; V8 by itself lets it grow to 106.
  t.ok(most > 20_000_000 && most < 80_000_000, `${most} bytes`);
  t.end();
});

/** Takes 40 MiB by malloc, and frees them. */
const ROUND = `
  const { default: koffi } = await import('koffi');
  const libc = koffi.load('libc.so.6');
  const malloc = libc.func('void *malloc(size_t)');
  const memset = libc.func('void *memset(void *, int, size_t)');
  const free = libc.func('void free(void *)');
  const round = () => {
    const blocks = [1, 2].map(() => malloc(20 << 20));
    for (const block of blocks) memset(block, 1, 20 << 20);
    for (const block of blocks.reverse()) free(block);
  };
`;

t.test('memory that is freed is used again', (t) => {
  const faults = tuned(`
    ${ROUND}
    round();
    round();
    const before = process.resourceUsage().minorPageFault;
    for (let count = 0; count < 10; count++) round();
    console.log(process.resourceUsage().minorPageFault - before);
  `);
  // Page by page it would be 100,000.
  t.ok(faults < 5000, `${faults} page faults`);
  t.end();
});

for (const [work, looks, least, most] of [
  ['busy(210)', 1, -8, 8],
  ['await new Promise((resolve) => setTimeout(resolve, 300))', 1, 32, 64],
  ['busy(210)', 15, 32, 64],
] as const) {
  t.test(`what is freed is given back when there is little to do: ${looks} times ${work}`, (t) => {
    const mib = tuned(
      `
      ${ROUND}
      const used = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
      const busy = (ms) => { for (const end = used() + ms; used() < end;); };
      const rss = () => process.memoryUsage.rss() / 2 ** 20;
      const large = Buffer.alloc(150 << 20, 1);
      round();
      // What came before is none of it.
      busy(210);
      globalThis.look();
      const before = rss();
      for (let look = 0; look < ${looks}; look++) {
        ${work};
        globalThis.look();
      }
      console.log(before - rss() + 0 * large.length);
      `,
      '{ ...systemClock, after: (_, look) => { globalThis.look = look; return () => undefined; } }',
    );
    t.ok(mib > least && mib < most, `${mib} MiB`);
    t.end();
  });
}
