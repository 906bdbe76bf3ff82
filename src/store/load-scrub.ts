import { loadOnce } from '../common/load-once.js';

/** The scrub: a server that has just been started needs it later. */
export const loadScrub = loadOnce(() => import('./scrub.js'));
