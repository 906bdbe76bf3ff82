import { list, record, text } from '../json-values.js';
import type { QmpCommands } from './commands.js';

/** The nodes of a chain, the top first: only this debugging command says what lies behind which. */
export async function chainNodes(qmp: QmpCommands, root: string): Promise<readonly string[]> {
  const graph = record(await qmp.execute('x-debug-query-block-graph'));
  const nodes = list(graph['nodes']).map(record);
  const edges = list(graph['edges']).map(record);
  const chain: string[] = [];
  let at = nodes.find(({ name }) => name === root);
  while (at !== undefined && chain.length < nodes.length) {
    chain.push(text(at['name']) ?? '');
    const { id } = at;
    const edge = edges.find(({ parent, name }) => parent === id && name === 'backing');
    at = edge && nodes.find((node) => node['id'] === edge['child']);
  }
  return chain;
}
