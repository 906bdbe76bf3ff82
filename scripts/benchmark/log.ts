/** A line on stderr with the time of day; stdout is kept for the table. */
export function log(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}
