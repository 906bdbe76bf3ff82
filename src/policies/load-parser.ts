import { loadOnce } from '../common/load-once.js';

/** What reads YAML and calendars, which takes 20 ms to load: a server is rarely asked for that. */
export const loadPolicyParser = loadOnce(() => import('./parse-policies.js'));
