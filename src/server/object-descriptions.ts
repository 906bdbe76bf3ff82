import { count, fields, listOf, shape, text } from '../common/shapes.js';
import { FRAMES_TYPE } from '../protocol/frames.js';
import type { ListedShadowCopy, ShadowCopiesAnswer } from '../protocol/objects-api.js';
import { share } from './answers/store-answers.js';
import { LEASE_FRAME, readObjectsParams, recordParams, shadowCopiesParams } from './object-params.js';
import { noParams } from './request-params.js';
import { FRAMES_WHAT, type RouteDescription } from './route-description.js';

const LISTED = fields<ListedShadowCopy>({ machine: text, shadowCopy: text, timeMs: count, record: text, order: count });

const SHADOW_COPIES = shape<ShadowCopiesAnswer>(
  'ShadowCopies',
  { tag: text },
  { shadowCopies: listOf(LISTED), replicas: listOf(LISTED), shares: listOf(share) },
);

/** What is said of the routes at which shadow copies are read by their objects, by their last part. */
export const DESCRIPTIONS: Readonly<Record<'shadow-copies' | 'record' | 'lease' | 'read', RouteDescription>> = {
  'shadow-copies': {
    summary: 'Which shadow copies can be read',
    details: 'With the tag of the last answer only a tag comes back, if nothing has changed.',
    params: shadowCopiesParams,
    answer: { as: 'json', result: SHADOW_COPIES },
  },
  record: {
    summary: 'The record of a shadow copy, as it is stored',
    params: recordParams,
    answer: { as: 'bytes' },
  },
  lease: {
    summary: 'Keep what is read from being collected',
    details:
      'Frames go both ways for as long as something is read. The client takes leases on shadow copies and drops them; all end with the ' +
      'connection, and with a minute of silence.',
    params: noParams,
    body: { type: FRAMES_TYPE, what: FRAMES_WHAT, parts: LEASE_FRAME },
    answer: {
      as: 'media',
      type: FRAMES_TYPE,
      what: `Whose session it is, and what became of each lease. ${FRAMES_WHAT}`,
    },
  },
  read: {
    summary: 'Read objects of shadow copies under a lease',
    details:
      'One frame for each digest, in their order, whose body is the object as it is stored; then one that says that it was the last.',
    params: readObjectsParams,
    answer: { as: 'media', type: FRAMES_TYPE, what: FRAMES_WHAT },
  },
};
