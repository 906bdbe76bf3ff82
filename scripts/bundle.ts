import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type Metafile } from 'esbuild';

/** The programs: the command line, the server that it starts, the worker threads of that, and the filter over images. */
const PROGRAMS = ['src/cli/main', 'src/server/main', 'src/workers/worker', 'agent/filter/main'];

/** Packages that load a native library from their own folder. */
const NATIVE = ['fuse-native', 'koffi', 'classic-level', '@napi-rs/blake-hash', '@node-rs/crc32'];

/** CommonJS packages look for `require`, which an ES module has not. */
const REQUIRE =
  'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);';

/** A file of the bundle. */
interface Output {
  /** Relative to the bundle's folder. */
  readonly place: string;
  readonly contents: string | Uint8Array;
}

/** So many bundles stay: servers run from them, and load parts of them when these are needed. */
const KEPT = 10;

/**
 * Bundles what tsc compiled into a few files: Node.js takes about a millisecond for each module that it loads, in the
 * command, in the server and in each of its threads, and a small backup takes a few tenths of a second.
 *
 * Each bundle has a folder of its own, named by its content, and dist/bundle/umbra.js runs the newest: what runs from
 * an older one is not disturbed.
 */
async function main(root: string): Promise<void> {
  const home = path.join(root, 'dist', 'bundle');
  const files = await bundle(root, home);
  const name = nameOf(files);
  if (!existsSync(path.join(home, name))) await writeBundle(files, path.join(home, name));
  await replaceFile(path.join(home, 'umbra.js'), `#!/usr/bin/env node\nawait import('./${name}/src/cli/main.js');\n`);
  await prune(home, name);
}

async function bundle(root: string, home: string): Promise<readonly Output[]> {
  // Source maps name the sources from here; nothing is written there.
  const outdir = path.join(home, 'NAME');
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: PROGRAMS.map((program) => ({ in: `dist/${program}.js`, out: program })),
    outdir,
    metafile: true,
    write: false,
    bundle: true,
    splitting: true,
    // What programs share is in chunks. They lie beside the worker, since the pool of workers looks for it beside itself.
    chunkNames: 'src/workers/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: NATIVE,
    // Its native helper is found only from the package itself; for records of a few hundred bytes it is not needed.
    define: { 'process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED': '"true"' },
    banner: { js: REQUIRE },
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    logLevel: 'warning',
  });
  const files = outputFiles.map((file) => ({ place: path.relative(outdir, file.path), contents: file.contents }));
  return [...files, { place: 'LICENSES.txt', contents: await licenses(root, metafile) }];
}

/** The licence of each package whose code is in the bundle. */
async function licenses(root: string, { inputs }: Metafile): Promise<string> {
  const folders = new Set(
    Object.keys(inputs).flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []),
  );
  const texts = [...folders].sort().map(async (folder) => {
    const names = await readdir(path.join(root, folder));
    const file = names.find((name) => /^licen[cs]e/i.test(name));
    if (file === undefined) throw new Error(`${folder} comes without its licence`);
    return `${path.relative('node_modules', folder)}\n\n${await readFile(path.join(root, folder, file), 'utf8')}`;
  });
  return (await Promise.all(texts)).join(`\n${'-'.repeat(72)}\n\n`);
}

function nameOf(files: readonly Output[]): string {
  const hash = createHash('sha256');
  for (const { place, contents } of files) hash.update(place).update('\0').update(contents);
  return hash.digest('hex').slice(0, 12);
}

/** All or nothing: a build that is killed leaves no half of a bundle under its name. */
async function writeBundle(files: readonly Output[], target: string): Promise<void> {
  const unfinished = `${target}.tmp`;
  await rm(unfinished, { recursive: true, force: true });
  for (const { place, contents } of files) {
    const file = path.join(unfinished, place);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, contents);
  }
  await rename(unfinished, target);
}

async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.tmp`, text, { mode: 0o755 });
  await rename(`${file}.tmp`, file);
}

/** Delete the oldest bundles, and what an older layout of this folder left. */
async function prune(home: string, current: string): Promise<void> {
  const others = (await readdir(home)).filter((name) => name !== 'umbra.js' && name !== current);
  const dated = await Promise.all(
    others.map(async (name) => ({ name, made: (await stat(path.join(home, name))).mtimeMs })),
  );
  dated.sort((a, b) => b.made - a.made);
  for (const { name } of dated.slice(KEPT - 1)) await rm(path.join(home, name), { recursive: true });
}

await main(path.resolve(import.meta.dirname, '../..'));
