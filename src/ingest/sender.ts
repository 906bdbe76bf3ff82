/** Who sends a shadow copy: the agent of a host, or an administrator who has the images where he is. */
export interface Sender {
  /** No two senders have the same; for people, too: `hv1`, `the administrator anna`. */
  readonly name: string;
  /** The host of an agent; absent for an administrator, whose shadow copies are as those that the server reads itself. */
  readonly host?: string;
}
