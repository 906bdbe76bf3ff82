import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { BenchError } from './bench-error.js';
import { run } from './process.js';
import { INSTALLED, ROLES, UPGRADED } from './roles.js';

/** Directories that become the images, and the packages of the day's work. */
export interface Roots {
  readonly a: string;
  readonly b: string;
  /** A directory of .deb files, or of anything that is copied in. */
  readonly additions: string;
}

/**
 * Makes the root filesystems of A and B below `dir` with mmdebstrap, from the sources that this
 * machine's apt uses. Takes minutes and needs root.
 */
export async function makeDebianRoots(dir: string, signal: AbortSignal): Promise<Roots> {
  const roots = { a: path.join(dir, 'a'), b: path.join(dir, 'b'), additions: path.join(dir, 'debs') };
  mkdirSync(roots.additions);
  await bootstrap(roots.a, ROLES.a, downloadHooks(), { BENCH_DEBS: roots.additions }, signal);
  await bootstrap(roots.b, ROLES.b, [], {}, signal);
  return roots;
}

/** Leaves the packages of the day's work in `$BENCH_DEBS` and nothing of them in the root. */
function downloadHooks(): string[] {
  const download = 'chroot "$1" apt-get install -y --no-install-recommends --download-only';
  return [
    'chroot "$1" apt-get clean',
    `${download} ${INSTALLED.join(' ')}`,
    `${download} --reinstall ${UPGRADED.join(' ')}`,
    'mv "$1"/var/cache/apt/archives/*.deb "$BENCH_DEBS"/',
  ];
}

async function bootstrap(
  target: string,
  packages: readonly string[],
  hooks: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const options = ['--mode=root', '--variant=important', `--include=${packages.join(',')}`];
  const args = [...options, ...hooks.map((hook) => `--customize-hook=${hook}`), suite(), target, ...aptSources()];
  await run('nice', ['mmdebstrap', '--quiet', ...args], { env, signal });
}

function suite(): string {
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  if (codename !== undefined) return codename;
  throw new BenchError('/etc/os-release names no Debian release: use --scale small on this machine');
}

function aptSources(): string[] {
  const dir = '/etc/apt/sources.list.d';
  const parts = existsSync(dir) ? readdirSync(dir).map((name) => path.join(dir, name)) : [];
  const files = ['/etc/apt/sources.list', ...parts.filter((file) => /\.(list|sources)$/.test(file))];
  const used = files.filter((file) => existsSync(file) && /^\s*(deb\s|Types:)/m.test(readFileSync(file, 'utf8')));
  if (used.length > 0) return used;
  throw new BenchError('no apt sources are configured in /etc/apt: use --scale small on this machine');
}
