/**
 * What takes long to load, and is rarely needed: loaded when it is first asked for, and kept. Asking again takes no time at all, as
 * `import()` does where loaders of modules are hooked into.
 */
export function loadOnce<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () => {
    loaded ??= load().catch((error: unknown) => {
      loaded = undefined;
      throw error;
    });
    return loaded;
  };
}
