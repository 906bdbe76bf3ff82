import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LibvirtMonitor } from '../../../../agent/libvirt/monitor.js';
import { record } from '../../../../agent/json-values.js';
import { OverlayNotes } from '../../../../agent/trackers/differencing/overlay-state.js';
import { request } from '../../../kit/checkpoints.js';
import { privateLibvirt, type PrivateLibvirt } from '../../../kit/libvirt.js';
import type { LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { backedUp, exactContents, imageContent, kept, overlaysIn, type BackedUp } from '../../../kit/overlays.js';
import { temporaryDirectory } from '../../../kit/temporary.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const both = (id: string): string[] => [`umbra-${id}-vda.qcow2`, `umbra-${id}-vdb.qcow2`];

/** A machine that runs, as of `c1`, which the server has; libvirt was killed when QEMU had put the overlays of `c2` on its disks. */
async function forgotten(t: Test, daemon: PrivateLibvirt, name: string): Promise<BackedUp> {
  const { machine, tracker, contents } = await backedUp(t, daemon, name);
  const paths = [daemon.stateDirectory, join(daemon.directory, 'config', 'qemu')].map((part) =>
    join(part, `${name}.xml`),
  );
  const noted = paths.map((path) => readFileSync(path, 'utf8'));
  await (await tracker.checkpoint(request('c2', 'c1'))).close();
  await daemon.kill();
  for (const [index, path] of paths.entries()) writeFileSync(path, noted[index] ?? '');
  await daemon.start();
  return { machine, tracker, contents };
}

type Execute = (this: LibvirtMonitor, command: string, args?: Readonly<Record<string, unknown>>) => Promise<unknown>;

/** Do something while commands to monitors go through `instead`. */
async function through(instead: (execute: Execute) => Execute, work: () => Promise<unknown>): Promise<void> {
  const monitors: { execute: Execute } = LibvirtMonitor.prototype;
  const { execute } = monitors;
  monitors.execute = instead(execute);
  try {
    await work();
  } finally {
    monitors.execute = execute;
  }
}

/** An agent that is dead as soon as it has had QEMU do `last`. */
async function dies(t: Test, { tracker }: BackedUp, last: string): Promise<void> {
  let isDead = false;
  const dying = (execute: Execute): Execute =>
    async function (command, args) {
      const answer = isDead ? undefined : await execute.call(this, command, args);
      isDead ||= command === last;
      if (isDead) throw new Error('it is dead');
      return answer;
    };
  await through(dying, () => t.rejects(tracker.recover(), { message: /it is dead/ }));
  t.ok(isDead);
}

async function nodesOf({ daemon, name }: LibvirtMachine): Promise<string> {
  const command = JSON.stringify({ execute: 'query-named-block-nodes', arguments: { flat: true } });
  return JSON.stringify(record(JSON.parse(await daemon.virsh('qemu-monitor-command', name, command)))['return']);
}

t.test('an agent is killed that has overlays merged which libvirt does not know of', async (t) => {
  const daemon = await privateLibvirt(t);

  for (const last of ['job-complete', 'blockdev-del']) {
    await t.test(`${last}: the next one takes them away, and the backup is exact`, async (t) => {
      const made = await forgotten(t, daemon, last.replace('-', ''));
      const { machine, tracker, contents } = made;
      await machine.write(0, 'write -P 2 2M 64k');
      await machine.write(1, 'write -P 3 3M 64k');
      await dies(t, made, last);
      t.ok(overlaysIn(machine.directory).includes('umbra-c2-vda.qcow2'));
      await machine.write(0, 'write -P 4 4M 64k');
      await tracker.recover();
      t.same(overlaysIn(machine.directory), both('c1'));
      t.notMatch(await nodesOf(machine), /umbra-c2/);
      const third = await tracker.checkpoint(request('c3', 'c1'));
      t.notMatch(third.notes.join(), /no part of the machine/);
      const exact = await exactContents(t, machine.directory, third, contents);
      t.same(exact.bytes, [128 * KIB, 64 * KIB]);
      await kept(third);
      await tracker.forget();
      t.same(overlaysIn(machine.directory), []);
      await machine.stop();
      const content = imageContent(join(machine.directory, 'vda.raw'), 'raw');
      for (const byte of [2, 4]) t.equal(content[byte * MIB], byte);
    });
  }

  await t.test('QEMU was started anew meanwhile: nobody knows who had it start from what lies below', async (t) => {
    const made = await forgotten(t, daemon, 'anew');
    const { machine, tracker } = made;
    await machine.write(0, 'write -P 2 2M 64k');
    await dies(t, made, 'blockdev-del');
    await machine.stop();
    await machine.start('running');
    const overlay = join(machine.directory, 'umbra-c2-vda.qcow2');
    const third = await tracker.checkpoint(request('c3', 'c1'));
    t.match(third.notes, [/umbra-c2-vda.qcow2 is no part of the machine any more/]);
    await kept(third);
    t.ok(existsSync(overlay));
    await tracker.forget();
    t.same(overlaysIn(machine.directory), both('c2'));
  });

  await t.test('nothing is noted of a merge that did not come about', async (t) => {
    const { machine, tracker } = await forgotten(t, daemon, 'refused');
    const cancelling = (execute: Execute): Execute =>
      async function (command, args) {
        const cancel = { device: 'umbra-merge', force: true };
        if (command === 'job-complete') await execute.call(this, 'block-job-cancel', cancel);
        return await execute.call(this, command, args);
      };
    await through(cancelling, () =>
      t.rejects(tracker.recover(), { code: 'TRACKER_UNAVAILABLE', hint: /delete no overlay/ }),
    );
    const { stateDirectory } = machine.trackerOptions();
    t.same((await new OverlayNotes(join(stateDirectory, 'overlays.json')).read()).takingBack, []);
    await tracker.recover();
    t.same(overlaysIn(machine.directory), both('c1'));
  });
});

t.test('notes of an agent that knew nothing of it', async (t) => {
  const path = join(temporaryDirectory(t), 'overlays.json');
  const merging = { volume: 'vda', path: '/vm/umbra-c1-vda.qcow2', onto: '/vm/vda.raw', run: 'boot 1 2' };
  writeFileSync(path, JSON.stringify({ checkpoints: {}, making: [], overlays: [merging.path], merging }));
  const notes = new OverlayNotes(path);
  t.match(await notes.read(), { overlays: [merging.path], merging, takingBack: [] });
  const takingBack = [{ ...merging, above: undefined }];
  await notes.update(() => ({ takingBack }));
  t.match(await notes.read(), { overlays: [merging.path], merging, takingBack });
});
