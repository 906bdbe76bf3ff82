/** What crosses the server's socket, and what `--json` prints, about the keys of an encrypted store. */
export interface KeyInfo {
  readonly id: string;
  readonly kind: 'key' | 'passphrase' | 'damaged';
  /** What its owner calls it. */
  readonly label?: string;
  readonly createdMs?: number;
  /** The store was opened with it. */
  readonly isUsed: boolean;
}

export interface KeysResult {
  readonly cipher: string;
  /** The seed for cutting, for a store that is to be synchronised with this one: 16 hex digits. */
  readonly seed: string;
  readonly keys: readonly KeyInfo[];
}

/** `secret` is base64: it goes over the store's socket only. */
export interface AddKeyRequest {
  readonly source: 'key-file' | 'passphrase' | 'command';
  readonly secret: string;
  readonly label?: string;
}

export interface ChangeKeyRequest extends AddKeyRequest {
  /** The key that is replaced; the one that the store was opened with, without it. */
  readonly id?: string;
}

export interface RemoveKeyRequest {
  readonly id: string;
}
