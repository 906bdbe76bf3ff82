export interface Column {
  readonly title: string;
  /** Numbers are aligned to the right. */
  readonly right?: boolean;
}

/** Rows under titles, in aligned columns two spaces apart; ends in a line feed. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => (line[index] ?? '').length)));
  return lines
    .map((line) => {
      const cells = columns.map(({ right }, index) => {
        const cell = line[index] ?? '';
        const width = widths[index] ?? 0;
        return right === true ? cell.padStart(width) : cell.padEnd(width);
      });
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}

/** Names and values, one pair a line, the values aligned; without a name, a value goes on from the line before. */
export function formatPairs(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${(name === '' ? '' : `${name}:`).padEnd(width + 2)}${value}\n`).join('');
}
