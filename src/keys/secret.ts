import { UmbraError } from '../common/errors.js';

/** What somebody gives to open an encrypted store: from a key file, typed or in a file as a passphrase, or a command's output. */
export interface Secret {
  readonly source: 'key-file' | 'passphrase' | 'command';
  readonly bytes: Uint8Array;
}

/** What a slot of a keyring takes. */
export type SlotKind = 'key' | 'passphrase';

/** Secrets are no longer than that. */
export const MAX_SECRET_BYTES = 3 * 1024;
/** A key file is used as it is: what is shorter can be guessed. */
export const LEAST_KEY_BYTES = 32;
const LEAST_PASSPHRASE_BYTES = 8;

/** A secret without the end of line that editors and programs write. @throws {UmbraError} KEY_UNREADABLE if nothing is left, or too much */
export function makeSecret(source: Secret['source'], content: Uint8Array, where: string): Secret {
  let end = content.length;
  if (content[end - 1] === 0x0a) end -= content[end - 2] === 0x0d ? 2 : 1;
  if (end === 0) throw new UmbraError('KEY_UNREADABLE', `${where} is empty`);
  if (end > MAX_SECRET_BYTES) {
    throw new UmbraError('KEY_UNREADABLE', `${where} has more than ${MAX_SECRET_BYTES} bytes, and is no key`);
  }
  return { source, bytes: content.slice(0, end) };
}

/**
 * The slot that a new secret gets. Only what comes from a key file counts as one: what a command says may be a passphrase.
 * @throws {UmbraError} BAD_ARGUMENT for a secret that is too short
 */
export function slotKindOf({ source, bytes }: Secret): SlotKind {
  if (source === 'key-file') {
    if (bytes.length >= LEAST_KEY_BYTES) return 'key';
    throw new UmbraError(
      'BAD_ARGUMENT',
      `the key file has ${bytes.length} bytes, and a key has ${LEAST_KEY_BYTES} at least`,
      {
        hint: 'Make one with "openssl rand -hex 32 > FILE"; a passphrase goes into --passphrase-file.',
      },
    );
  }
  if (bytes.length >= LEAST_PASSPHRASE_BYTES) return 'passphrase';
  throw new UmbraError('BAD_ARGUMENT', `a passphrase has ${LEAST_PASSPHRASE_BYTES} bytes at least`, {
    hint: 'Take a longer one: whoever has the disk can try millions.',
  });
}

/** The slots that a secret may open; a command may say either. */
export function kindsFor({ source }: Secret): readonly SlotKind[] {
  if (source === 'key-file') return ['key'];
  return source === 'passphrase' ? ['passphrase'] : ['key', 'passphrase'];
}
