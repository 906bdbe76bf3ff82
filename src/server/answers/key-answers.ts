import type { KeyInfo, KeysResult } from '../../protocol/keys-api.js';
import { count, eachOf, flag, listOf, shape, text } from '../../common/shapes.js';

export const key = shape<KeyInfo>(
  'KeyInfo',
  { id: text, kind: eachOf({ key: true, passphrase: true, damaged: true }), isUsed: flag },
  { label: text, createdMs: count },
);

export const keys = shape<KeysResult>('KeysResult', { cipher: text, seed: text, keys: listOf(key) });
