import { UmbraError } from '../../src/common/errors.js';
import type { AgentBackupResult, AgentTask } from '../../src/protocol/agents-api.js';
import type { BegunFrame, DoneFrame, ServerFrame } from '../../src/protocol/ingest.js';
import type { JobKind } from '../../src/protocol/jobs-api.js';
import { fromWireError } from '../../src/protocol/wire-error.js';
import { changesOf, VOLUME_BYTES, wholeRegion, type Content, type RegionChange } from './content.js';
import { FramePipe } from './frame-pipe.js';
import type { ServerLife } from './server-life.js';
import { volumeName, type SimMachine } from './sim-machine.js';
import type { AgentWorld } from './world-parts.js';

export interface SendOptions {
  readonly world: AgentWorld;
  readonly life: ServerLife;
  readonly host: string;
  readonly task: AgentTask & { readonly kind: 'backup' };
  /** What the server makes of it, which the agent need not know. */
  readonly kind: JobKind;
  readonly machine: SimMachine;
  readonly consistency: 'crash' | 'filesystem';
  readonly takesMs: number;
  /** The connection is lost once. */
  readonly isCut: boolean;
  /** Nobody wants it any more, or the server is gone. */
  readonly isOver: () => boolean;
}

/** One connection on which a shadow copy is sent, as an agent has it. */
class Sending {
  readonly pipe = new FramePipe();
  readonly #heard: ServerFrame[] = [];
  #wake = (): void => undefined;
  isCut = false;

  readonly hear = (frame: ServerFrame): void => {
    if (this.isCut) return;
    this.#heard.push(frame);
    this.#wake();
  };

  /** The next frame that is of one of these types. @throws {UmbraError} what the server says went wrong */
  async answer<T extends ServerFrame['t']>(type: T): Promise<Extract<ServerFrame, { t: T }>> {
    for (;;) {
      const frame = this.#heard.shift();
      if (frame === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else if (frame.t === 'error') throw fromWireError(frame.error);
      else if (isOf(frame, type)) return frame;
    }
  }

  cut(): void {
    this.isCut = true;
    this.pipe.cut();
  }
}

function isOf<T extends ServerFrame['t']>(frame: ServerFrame, type: T): frame is Extract<ServerFrame, { t: T }> {
  return frame.t === type;
}

/** Make a checkpoint and send what has changed since the last one. @throws {UmbraError} */
export async function sendShadowCopy(options: SendOptions): Promise<AgentBackupResult> {
  const { world, life, host, task, kind, machine, consistency, takesMs, isCut } = options;
  const { clock, model } = world;
  const named = model.machine(task.machine.name);
  const base = task.base?.checkpoint === undefined ? undefined : machine.checkpoints.get(task.base.checkpoint);
  const checkpoint = machine.checkpoint();
  const made = { passedMs: clock.passedMs, wallMs: clock.wallMs };
  const { content } = machine;
  const begin = beginFrame(options, checkpoint, base !== undefined);
  let sending = open(life, host);
  sending.pipe.say(begin);
  let begun = await sending.answer('begun');
  sendRegions(sending, changesFor(begun, base, content), undefined);
  await clock.wait(takesMs);
  giveUpIfOver(options, sending);
  if (isCut) {
    sending.cut();
    await clock.wait(60_000);
    giveUpIfOver(options, sending);
    sending = open(life, host);
    sending.pipe.say({ t: 'resume', upload: begun.upload });
    begun = await sending.answer('begun');
    sendRegions(sending, changesFor(begun, base, content), begun.settled);
  }
  const pending = { kind, content, volumes: machine.volumes, wallMs: made.wallMs, sentMs: clock.passedMs };
  named.pending.push(pending);
  sending.pipe.say(endFrame(consistency, clock.passedMs - made.passedMs));
  const done: DoneFrame = await sending.answer('done');
  world.heard(life, named, done.shadowCopy, pending);
  named.pending = named.pending.filter((other) => other !== pending);
  machine.acknowledged(checkpoint);
  const sent = { readBytes: 0, sentBytes: 0, notes: [] };
  return { shadowCopy: done.shadowCopy, tracker: 'qemu-bitmap', consistency, pauseMs: 1, ...sent };
}

function giveUpIfOver({ isOver }: SendOptions, sending: Sending): void {
  if (!isOver()) return;
  sending.cut();
  throw new UmbraError('CANCELLED', 'nobody wants it any more');
}

function open(life: ServerLife, host: string): Sending {
  const sending = new Sending();
  life.serve(host, sending.pipe, sending.hear);
  return sending;
}

function beginFrame({ task, machine }: SendOptions, checkpoint: string, isBased: boolean): object {
  const volumes = Array.from({ length: machine.volumes }, (_, index) => ({
    name: volumeName(index),
    path: `/images/${machine.uuid}-${index}`,
    format: 'qcow2',
    sizeBytes: VOLUME_BYTES,
    rest: isBased ? 'base' : 'holes',
  }));
  const base = isBased ? task.base?.shadowCopy : undefined;
  return { t: 'begin', machine: task.machine.name, checkpoint, volumes, ...(base === undefined ? {} : { base }) };
}

/** What is to be sent, on top of what the server says that the rest is, and what it wants as it is now. */
function changesFor({ rest, reread }: BegunFrame, base: Content | undefined, content: Content): RegionChange[] {
  const all = lazily(() => changesOf(new Map(), content));
  const since = base === undefined ? all : lazily(() => changesOf(base, content));
  return rest.flatMap((kind, volume) => {
    const wanted = reread?.[volume] ?? [];
    const changes = (kind === 'base' ? since() : all()).filter((change) => change.volume === volume);
    const others = changes.filter(({ region }) => !wanted.includes(region));
    const again = wanted.map((region) => wholeRegion(content, volume, region));
    return [...others, ...again].sort((a, b) => a.region - b.region);
  });
}

function lazily<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

function sendRegions({ pipe }: Sending, changes: readonly RegionChange[], settled: BegunFrame['settled']): void {
  for (const { volume, region, data, zeros, body } of changes) {
    const isSettled =
      settled !== undefined && (volume < settled.volume || (volume === settled.volume && region <= settled.region));
    if (!isSettled) pipe.say({ t: 'blocks', volume, region, data, zeros }, body);
  }
}

function endFrame(consistency: string, ageMs: number): object {
  return { t: 'end', ageMs, consistency, tracker: 'qemu-bitmap', pauseMs: 1, notes: [], config: [] };
}
