import { UmbraError } from '../common/errors.js';
import type { Share } from '../common/share-names.js';
import type { Settings } from './settings.js';
import type { Store } from './store.js';

/**
 * The shares in a store's settings. While this lives, a name that was removed can only be used for the same directory
 * again: the kernel keeps what a mount has shown under a path, and no path may change its content.
 */
export class Shares {
  readonly #store: () => Store;
  /** By name in small letters, what each has meant. */
  readonly #known = new Map<string, Share>();

  /** @param store asked for each time: it may be rebuilt */
  constructor(store: () => Store) {
    this.#store = store;
  }

  /** @throws {UmbraError} STORE_DAMAGED when it is not known what is to be shared; nothing is then */
  list(): readonly Share[] {
    const { shares, lost } = this.#store().settings;
    if (lost === undefined) return shares;
    const before = lost.map(({ name, machine, path }) => `${name} (${machine}:/${path})`).join(', ');
    const known = before === '' ? 'none is known of before that' : `before that there were: ${before}`;
    throw new UmbraError('STORE_DAMAGED', `the newest list of shares was damaged, so nothing is shared; ${known}`, {
      hint: 'Say what is to be shared with "umbra share add"; or, if nothing is, "umbra share remove" one of those.',
    });
  }

  /** True for a share that is there already; the machine need not be there any more. */
  has(share: Share): boolean {
    return this.#store().settings.shares.some(
      ({ name, machine, path }) => isSame(name, share.name) && machine === share.machine && path === share.path,
    );
  }

  /** @throws {UmbraError} NOT_FOUND, BAD_ARGUMENT, STORE_FULL, STORE_FAILED */
  async add(share: Share): Promise<Share> {
    const store = this.#store();
    store.catalog.find(share.machine, 'latest');
    await store.updateSettings((settings) => {
      const other = settings.shares.find(({ name }) => isSame(name, share.name));
      if (other !== undefined) {
        assertMeans(other, share, `Run "umbra share remove ${other.name}" first, or take another name.`);
        return settings;
      }
      const before = this.#known.get(share.name.toLowerCase());
      if (before !== undefined) assertMeans(before, share, 'Run "umbra stop" first, or take another name.');
      return { ...withoutLost(settings), shares: [...settings.shares, share].sort(byName) };
    });
    return share;
  }

  /** @throws {UmbraError} NOT_FOUND, STORE_FULL, STORE_FAILED */
  async remove(name: string): Promise<Share> {
    const store = this.#store();
    const find = (shares: readonly Share[]): Share => {
      const share = shares.find((candidate) => isSame(candidate.name, name));
      if (share !== undefined) return share;
      throw new UmbraError('NOT_FOUND', `there is no share "${name}"`, {
        hint: 'Run "umbra share list" to see the shares.',
      });
    };
    const share = find(known(store.settings));
    await store.updateSettings((settings) => {
      find(known(settings));
      this.#known.set(name.toLowerCase(), share);
      return { ...withoutLost(settings), shares: settings.shares.filter((other) => !isSame(other.name, name)) };
    });
    return share;
  }
}

function known({ shares, lost = [] }: Settings): readonly Share[] {
  return [...shares, ...lost];
}

/** Somebody says now what is to be shared. */
function withoutLost({ lost: _lost, ...settings }: Settings): Omit<Settings, 'lost'> {
  return settings;
}

/** Samba and Windows do not tell letters' cases apart in names of shares. */
function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function byName(a: Share, b: Share): number {
  return a.name < b.name ? -1 : 1;
}

function assertMeans(known: Share, share: Share, hint: string): void {
  if (known.name === share.name && known.machine === share.machine && known.path === share.path) return;
  throw new UmbraError('BAD_ARGUMENT', `the share "${known.name}" is ${known.machine}:/${known.path}`, { hint });
}
