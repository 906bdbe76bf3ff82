/** Name, type and samples of the figures in a text. */
export type Figures = ReadonlyMap<string, { readonly type: string; readonly samples: ReadonlyMap<string, number> }>;

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (-?\\d+(?:\\.\\d+)?(?:e[+-]\\d+)?)$`);
/** Base units and endings that Prometheus' conventions know of what Umbra has; `info` and plain counts have none. */
const UNITLESS = /^umbra_(?!.*(_(ms|kib|mib|percent|minutes|hours|milliseconds))(_|$))/;

/**
 * Read the text format of Prometheus (0.0.4) strictly, as its documentation has it: HELP and TYPE once before the samples of a
 * name, no name twice, no sample twice, counters that end in `_total`, gauges that do not.
 * @throws for all else
 */
export function parsePrometheus(text: string): Figures {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const figures = new Map<string, { type: string; samples: Map<string, number> }>();
  let current = '';
  let help = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === 'HELP') help = name;
    else if (kind === 'TYPE') {
      if (name !== help || figures.has(name)) throw new Error(`out of order: ${line}`);
      if ((rest === 'counter') !== name.endsWith('_total') || !/^(counter|gauge)$/.test(rest)) throw new Error(line);
      if (!UNITLESS.test(name) && !name.startsWith('process_')) throw new Error(`not a name of ours: ${name}`);
      figures.set((current = name), { type: rest, samples: new Map() });
    } else {
      const [, of, labels = '', value] = SAMPLE.exec(line) ?? [];
      const samples = figures.get(current)?.samples;
      if (of !== current || samples === undefined || samples.has(labels)) throw new Error(`no sample: ${line}`);
      samples.set(labels, Number(value));
    }
  }
  return figures;
}
