/** What is used of it. */
declare module 'process-on-spawn' {
  const processOnSpawn: { removeAllListeners(): void };
  export default processOnSpawn;
}
