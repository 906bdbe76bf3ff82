import { execFile } from 'node:child_process';
import { createCipheriv, createHash, randomBytes, scryptSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const PASSWORD = 'restic';
const POLY1305_PRIME = 2n ** 130n - 5n;
const POLY1305_CLAMP = 0x0ffffffc0ffffffc0ffffffc0fffffffn;
/** What a backup would name; nobody looks whether it is there. */
const TREE = '0'.repeat(64);

interface Keys {
  readonly encrypt: Buffer;
  readonly macK: Buffer;
  readonly macR: Buffer;
}

/**
 * A repository of restic with snapshots of chosen times and nothing in them, written without restic (its `design.rst` says how): by
 * `restic backup` each would take half a second of the processor, most of it for a key that is hard to guess.
 */
export class ResticRepository {
  readonly #directory: string;
  readonly #keys: Keys = { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };

  /** @param directory an empty one */
  constructor(directory: string) {
    this.#directory = directory;
    for (const name of ['data', 'index', 'keys', 'locks', 'snapshots']) mkdirSync(join(directory, name));
    const config = { version: 2, id: randomBytes(32).toString('hex'), chunker_polynomial: '32a0e7e0d5678f' };
    writeFileSync(join(directory, 'config'), seal(config, this.#keys));
    this.#writeKey();
  }

  /** @param time RFC 3339 with the offset of the time zone that the backup was made in */
  addSnapshot(host: string, time: string): void {
    this.#write('snapshots', seal({ time, tree: TREE, paths: ['/x'], hostname: host, username: 'root' }, this.#keys));
  }

  /**
   * What `restic forget` would keep of the snapshots of a host.
   * @param keep `['--keep-daily', '7']`
   * @returns their times in milliseconds, sorted
   */
  async kept(host: string, keep: readonly string[], timeZone: string): Promise<number[]> {
    const options = ['--no-cache', '--no-lock', '--json', 'forget', '--dry-run', '--host', host, '--group-by', 'host'];
    const { stdout } = await run('restic', ['--repo', this.#directory, ...options, ...keep], {
      env: { ...process.env, RESTIC_PASSWORD: PASSWORD, TZ: timeZone },
      maxBuffer: 64 * 1024 * 1024,
    });
    const groups = JSON.parse(stdout) as { keep: { time: string }[] }[];
    return groups
      .flatMap((group) => group.keep.map(({ time }) => Date.parse(time)))
      .toSorted((left, right) => left - right);
  }

  #writeKey(): void {
    const salt = randomBytes(64);
    const cost = { N: 2, r: 1, p: 1 };
    const derived = scryptSync(PASSWORD, salt, 64, cost);
    const { encrypt, macK, macR } = this.#keys;
    const master = {
      mac: { k: macK.toString('base64'), r: macR.toString('base64') },
      encrypt: encrypt.toString('base64'),
    };
    const userKeys = { encrypt: derived.subarray(0, 32), macK: derived.subarray(32, 48), macR: derived.subarray(48) };
    const data = seal(master, userKeys).toString('base64');
    const about = { created: '2026-01-01T00:00:00Z', username: 'root', hostname: 'test', kdf: 'scrypt', ...cost };
    this.#write('keys', Buffer.from(JSON.stringify({ ...about, salt: salt.toString('base64'), data })));
  }

  #write(folder: string, content: Buffer): void {
    writeFileSync(join(this.#directory, folder, createHash('sha256').update(content).digest('hex')), content);
  }
}

/** AES-256-CTR and Poly1305-AES. */
function seal(value: unknown, { encrypt, macK, macR }: Keys): Buffer {
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-ctr', encrypt, iv);
  const text = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()]);
  const pad = createCipheriv('aes-128-ecb', macK, null).setAutoPadding(false).update(iv);
  return Buffer.concat([iv, text, poly1305(text, macR, pad)]);
}

function poly1305(message: Buffer, r: Buffer, pad: Buffer): Buffer {
  const factor = littleEndian(r) & POLY1305_CLAMP;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    sum = ((sum + littleEndian(block) + (1n << BigInt(8 * block.length))) * factor) % POLY1305_PRIME;
  }
  const tag = (sum + littleEndian(pad)) & (2n ** 128n - 1n);
  return Buffer.from(tag.toString(16).padStart(32, '0'), 'hex').reverse();
}

function littleEndian(bytes: Buffer): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}
