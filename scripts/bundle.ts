import { rm } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

/** The programs: the command line, the server that it starts, and the worker threads of that. */
const PROGRAMS = ['src/cli/main', 'src/server/main', 'src/workers/worker'];

/** Packages that load a native library from their own folder. */
const NATIVE = ['fuse-native', 'koffi', 'classic-level', '@napi-rs/blake-hash', '@node-rs/crc32', 'msgpackr-extract'];

/** CommonJS packages look for `require`, which an ES module has not. */
const REQUIRE =
  'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);';

/**
 * Bundles what tsc compiled into a few files in dist/bundle: Node.js takes about a millisecond for each module that it
 * loads, in the command, in the server and in each of its threads, and a small backup takes a few tenths of a second.
 */
async function main(root: string): Promise<void> {
  const compiled = path.join(root, 'dist');
  const bundle = path.join(compiled, 'bundle');
  await rm(bundle, { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: PROGRAMS.map((program) => ({ in: path.join(compiled, `${program}.js`), out: program })),
    outdir: bundle,
    bundle: true,
    splitting: true,
    // What programs share is in chunks. They lie beside the worker, since the pool of workers looks for it beside itself.
    chunkNames: 'src/workers/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: NATIVE,
    banner: { js: REQUIRE },
    legalComments: 'linked',
    logLevel: 'warning',
  });
}

await main(path.resolve(import.meta.dirname, '../..'));
