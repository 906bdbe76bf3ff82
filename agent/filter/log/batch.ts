/** Those who wait for one sync. */
export class Batch {
  readonly done: Promise<void>;
  resolve: () => void = () => undefined;
  reject: (error: Error) => void = () => undefined;

  constructor() {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Who does not wait for it need not hear of it.
    this.done.catch(() => undefined);
  }
}
