/** The version of Umbra; the same as in package.json, which a test checks. */
export const VERSION = '0.1.0';

/** Counts changes of the routes and shapes that cross the socket; client and server must have the same. */
export const PROTOCOL_VERSION = 4;

/** The HTTP header in which each side names its protocol. A request without it is taken as it is (curl). */
export const PROTOCOL_HEADER = 'umbra-protocol';
