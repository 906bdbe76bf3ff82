/** The problem of a file system that was in use. */
export const DIRTY =
  'it was mounted when the shadow copy was made: there is no journal, so what was being written then may be incomplete';
