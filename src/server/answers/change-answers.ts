import { amount, count, eachOf, shape, text } from '../../common/shapes.js';
import type * as api from '../../protocol/changes-api.js';

/** What is answered of data that has suddenly changed, as src/protocol/changes-api.ts has it. */

const sudden = {
  kind: eachOf<api.SuddenChangeInfo['kind']>({ changed: true, incompressible: true }),
  bytes: amount,
  usualBytes: amount,
  mostBytes: amount,
  volume: text,
} as const;

export const suddenChange = shape<api.SuddenChangeInfo>('SuddenChangeInfo', sudden);

const held = { ...sudden, machine: text, shadowCopy: text, time: text, heldShadowCopies: count } as const;

export const heldMachine = shape<api.HeldMachine>('HeldMachine', held);

export const acknowledged = shape<api.AcknowledgeResult>('AcknowledgeResult', { ...held, by: text });
