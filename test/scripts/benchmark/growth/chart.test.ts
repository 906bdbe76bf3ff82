import sax from 'sax';
import t from 'tap';
import { drawGrowth } from '../../../../scripts/benchmark/growth/chart.js';
import { OPERATION_NAMES } from '../../../../scripts/benchmark/growth/operations.js';
import { GrowthSamples } from '../../../../scripts/benchmark/growth/samples.js';

/** The elements of a document by name, with their attributes, and its text. @throws what is not well-formed */
function parse(xml: string): { elements: Map<string, Record<string, string>[]>; text: string } {
  const elements = new Map<string, Record<string, string>[]>();
  let text = '';
  const parser = sax.parser(true);
  parser.onerror = (error) => {
    throw error;
  };
  parser.onopentag = ({ name, attributes }) => {
    elements.set(name, [...(elements.get(name) ?? []), attributes as Record<string, string>]);
  };
  parser.ontext = (part) => (text += part);
  parser.write(xml).close();
  return { elements, text };
}

t.test('a well-formed picture with a line for each series, all of it inside', async (t) => {
  const samples = new GrowthSamples();
  for (const copies of [1, 10, 100]) {
    const cost = { seconds: 0.01 * copies, processSeconds: 0.02, peakBytes: 50e6 };
    for (const name of ['backup', 'listAll'] as const) samples.add(name, { copies, gib: 1, machines: 1 }, cost);
  }
  const { elements, text } = parse(drawGrowth(samples, 'made <by> A & B'));
  t.match(text, 'made <by> A & B');
  const lines = elements.get('polyline') ?? [];
  t.equal(lines.length, 2 * 3, 'of two operations, three figures');
  t.equal(elements.get('circle')?.length, 2 * 3 * 3);
  for (const line of lines) {
    const places = (line['points'] ?? '').split(' ').map((pair) => pair.split(',').map(Number));
    t.ok(
      places.every(([x = -1, y = -1]) => x >= 70 && x <= 460 && y >= 36 && y <= 360),
      line['points'] ?? '',
    );
  }
  // Ten times as long is one power of ten higher; what stays the same is level.
  const [level, , rising] = lines.map((line) =>
    (line['points'] ?? '').split(' ').map((pair) => Number(pair.split(',')[1])),
  );
  t.equal(new Set(level).size, 1);
  t.ok((rising?.[0] ?? 0) - (rising?.[1] ?? 0) > 50);
});

t.test('the legend has every operation, also where nothing was measured', async (t) => {
  const { elements } = parse(drawGrowth(new GrowthSamples(), 'nothing'));
  t.equal(elements.get('polyline'), undefined);
  t.equal(elements.get('line')?.length, OPERATION_NAMES.length);
});
