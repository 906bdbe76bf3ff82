/** What is varied, the rest being as it is. */
export const AXES = {
  copies: 'shadow copies',
  gib: 'GiB of the volume',
  machines: 'machines',
} as const;
export type Axis = keyof typeof AXES;

export interface GrowthOperation {
  readonly title: string;
  /** Along which axes it may grow with what it touches: in proportion, and no faster. */
  readonly mayGrowWith: readonly Axis[];
  /** Nothing is done: only the memory counts. */
  readonly takesNoTime?: true;
}

/** What is measured, in the order of the table. */
export const OPERATIONS = {
  backup: { title: 'backup of an image, a fixed change', mayGrowWith: [] },
  agentBackup: { title: 'backup by an agent, a fixed change', mayGrowWith: [] },
  listMachine: { title: 'list one machine', mayGrowWith: ['copies'] },
  listAll: { title: 'list all', mayGrowWith: ['copies', 'machines'] },
  status: { title: 'status', mayGrowWith: ['machines'] },
  start: { title: 'start of the server', mayGrowWith: ['copies', 'machines'] },
  listDirectory: { title: "ls of the machine's directory", mayGrowWith: ['copies'] },
  openNewest: { title: 'open the newest, read a block', mayGrowWith: [] },
  openOldest: { title: 'open the oldest, read a block', mayGrowWith: [] },
  pruneDry: { title: 'prune --dry-run', mayGrowWith: ['copies', 'machines'] },
  prune: { title: 'prune, one is deleted', mayGrowWith: ['copies'] },
  forget: { title: 'forget one', mayGrowWith: [] },
  collect: { title: 'collect what it leaves', mayGrowWith: ['copies'] },
  verifyOne: { title: 'verify one', mayGrowWith: ['copies'] },
  verifyAll: { title: 'verify the store', mayGrowWith: ['copies'] },
  idle: { title: 'a server that does nothing', mayGrowWith: [], takesNoTime: true },
} as const satisfies Readonly<Record<string, GrowthOperation>>;
export type OperationName = keyof typeof OPERATIONS;
export const OPERATION_NAMES = Object.keys(OPERATIONS) as OperationName[];

export function operationOf(name: OperationName): GrowthOperation {
  return OPERATIONS[name];
}
