/**
 * `rows` as lines of aligned columns, the first one to the left, the others to the right, with a rule
 * under the first row. Short rows are filled with empty cells.
 */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const lines = rows.map((row) => formatRow(row, widths));
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return lines.join('\n') + '\n';
}

function formatRow(row: readonly string[], widths: readonly number[]): string {
  const cells = widths.map((width, column) => {
    const cell = row[column] ?? '';
    return column === 0 ? cell.padEnd(width) : cell.padStart(width);
  });
  return cells.join('  ').trimEnd();
}

/** A figure with about three significant digits: `0.0312`, `4.56`, `45.6`, `456`; `-` when there is none. */
export function formatFigure(value: number | undefined): string {
  if (value === undefined) return '-';
  if (value === 0) return '0';
  const digits = Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(4, Math.max(0, 2 - digits)));
}

/** A ratio as `2.31x`, or `-`. */
export function formatRatio(value: number | undefined): string {
  return value === undefined ? '-' : `${formatFigure(value)}x`;
}
