import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { systemCode } from '../../src/common/errors.js';
import { temporaryDirectory } from './temporary.js';

const DIRECTORIES = ['private', 'lock', 'state', 'cache', 'pid', 'ncalrpc', 'log'] as const;
const START_LIMIT_MS = 30_000;
const STEP_MS = 50;

/** A real smbd of the test's own, and the way to ask it things as the user nobody. */
export interface Samba {
  /** What smbclient prints for these commands; also when it fails. */
  client(share: string, commands: string): string;
}

/** Start smbd on 127.0.0.1 with these sections in its configuration. Needs root. */
export async function startSamba(t: Test, sections: string): Promise<Samba> {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o755);
  for (const name of DIRECTORIES) mkdirSync(join(directory, name));
  const port = await freePort();
  const configuration = join(directory, 'smb.conf');
  writeFileSync(configuration, `${globalSection(directory, port)}\n${sections}`);
  const password = { input: 'pw\npw\n', stdio: ['pipe', 'ignore', 'ignore'] as ['pipe', 'ignore', 'ignore'] };
  execFileSync('smbpasswd', ['-c', configuration, '-s', '-a', 'nobody'], password);
  startServer(t, directory, configuration);
  const ask = (...options: readonly string[]): string => {
    const login = ['-s', configuration, '-p', String(port), '-U', 'nobody%pw'];
    try {
      return execFileSync('smbclient', [...login, ...options], { encoding: 'utf8', stdio: 'pipe', cwd: directory });
    } catch (error) {
      return String(Object(error) instanceof Error ? (error as { stdout?: unknown }).stdout : error);
    }
  };
  const samba: Samba = {
    client: (share, commands) => ask(`//127.0.0.1/${share}`, '-c', commands),
  };
  for (let waitedMs = 0; !ask('-L', '127.0.0.1').includes('IPC$'); waitedMs += STEP_MS) {
    if (waitedMs > START_LIMIT_MS) throw new Error('smbd does not answer');
    await sleep(STEP_MS);
  }
  return samba;
}

function globalSection(directory: string, port: number): string {
  return `[global]
  server role = standalone server
  workgroup = UMBRA
  netbios name = UMBRA1
  smb ports = ${port}
  interfaces = lo
  bind interfaces only = yes
  disable netbios = yes
  private dir = ${directory}/private
  lock directory = ${directory}/lock
  state directory = ${directory}/state
  cache directory = ${directory}/cache
  pid directory = ${directory}/pid
  ncalrpc dir = ${directory}/ncalrpc
  log file = ${directory}/log/log.%m
  passdb backend = tdbsam
  load printers = no
  disable spoolss = yes
  server min protocol = SMB3
`;
}

/** In a process group of its own: Samba's helpers outlive smbd, and it signals its whole group when it ends. */
function startServer(t: Test, directory: string, configuration: string): void {
  const options = ['--foreground', '--no-process-group', '-s', configuration, '-l', join(directory, 'log')];
  const server = spawn('smbd', options, { detached: true, stdio: 'ignore' });
  const ended = once(server, 'exit');
  t.teardown(async () => {
    killIfThere(-(server.pid ?? 0));
    await ended;
    for (const pid of processesOf(configuration)) killIfThere(pid);
  });
}

/** Kill a process, or a group of them if negative. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

/** Samba's helpers have left the group; they are known by the configuration that they were started with. */
function processesOf(configuration: string): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((pid) => commandLine(pid).split('\0').includes(`--configfile=${configuration}`));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
