import { AXES, OPERATION_NAMES, operationOf, type Axis } from './operations.js';
import { METRICS, type GrowthSamples, type Metric, type Series } from './samples.js';
import { decades, LogScale } from './log-scale.js';

const PANEL = { width: 460, height: 360, left: 70, right: 16, top: 36, bottom: 44 };
const LEGEND_WIDTH = 280;
const COLUMNS: readonly Axis[] = ['copies', 'gib', 'machines'];
const ROWS: readonly Metric[] = ['processSeconds', 'seconds', 'peakBytes'];

/** All figures as an SVG image: a panel for each axis and figure, both of its scales logarithmic. */
export function drawGrowth(samples: GrowthSamples, caption: string): string {
  const width = COLUMNS.length * PANEL.width + LEGEND_WIDTH;
  const height = ROWS.length * PANEL.height + 40;
  const panels = ROWS.flatMap((metric, row) =>
    COLUMNS.map((axis, column) => {
      const place = `translate(${column * PANEL.width},${row * PANEL.height + 30})`;
      return `<g transform="${place}">${panel(axis, metric, samples.series(axis, metric))}</g>`;
    }),
  );
  const operations = OPERATION_NAMES.map((name, index) => {
    const y = 60 + index * 22;
    return (
      `<line x1="0" x2="24" y1="${y}" y2="${y}" ${strokeOf(index)} stroke-width="3"/>` +
      text(32, y + 4, operationOf(name).title)
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(12, 20, caption),
    ...panels,
    `<g transform="translate(${COLUMNS.length * PANEL.width + 10},0)">${operations.join('')}</g>`,
    '</svg>',
    '',
  ].join('\n');
}

function panel(axis: Axis, metric: Metric, all: readonly Series[]): string {
  const title = text(PANEL.left, 20, `${METRICS[metric].title}, by ${AXES[axis]}`, 'font-weight="bold"');
  const points = all.flatMap((series) => series.points.map(({ x, y }) => ({ x, y: y / METRICS[metric].perUnit })));
  if (points.length === 0) return title;
  const right = PANEL.width - PANEL.right;
  const bottom = PANEL.height - PANEL.bottom;
  const across = new LogScale(decades(points.map(({ x }) => x)), PANEL.left, right);
  const up = new LogScale(decades(points.map(({ y }) => y)), bottom, PANEL.top);
  const grid = [
    ...across.ticks.map((tick) => {
      const x = round(across.place(tick));
      return rule(x, x, PANEL.top, bottom) + text(x, bottom + 18, `${tick}`, 'text-anchor="middle"');
    }),
    ...up.ticks.map((tick) => {
      const y = round(up.place(tick));
      return rule(PANEL.left, right, y, y) + text(PANEL.left - 6, y + 4, `${tick}`, 'text-anchor="end"');
    }),
  ];
  const lines = all.map((series) => line(series, across, up));
  return [title, ...grid, ...lines].join('');
}

function line({ operation, metric, points }: Series, across: LogScale, up: LogScale): string {
  const index = OPERATION_NAMES.indexOf(operation);
  const placed = points.map(({ x, y }) => ({
    x: round(across.place(x)),
    y: round(up.place(y / METRICS[metric].perUnit)),
  }));
  const path = placed.map(({ x, y }) => `${x},${y}`).join(' ');
  const dots = placed.map(({ x, y }) => `<circle cx="${x}" cy="${y}" r="3" fill="${colour(index)}"/>`);
  return `<polyline points="${path}" fill="none" ${strokeOf(index)} stroke-width="2"/>${dots.join('')}`;
}

function rule(x1: number, x2: number, y1: number, y2: number): string {
  return `<line x1="${x1}" x2="${x2}" y1="${y1}" y2="${y2}" stroke="#ddd"/>`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<text x="${x}" y="${y}"${attributes === '' ? '' : ` ${attributes}`}>${escaped}</text>`;
}

/** Of the second half dashed: 16 colours are too many to tell apart. */
function strokeOf(index: number): string {
  const dashes = index < OPERATION_NAMES.length / 2 ? '' : ' stroke-dasharray="6,3"';
  return `stroke="${colour(index)}"${dashes}`;
}

/** Colours all around the circle, neighbours far apart. */
function colour(index: number): string {
  return `hsl(${(index * 137) % 360},70%,${index % 2 === 0 ? 40 : 55}%)`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
