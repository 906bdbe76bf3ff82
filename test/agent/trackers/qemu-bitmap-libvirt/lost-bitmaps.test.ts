import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { qemuInfo } from '../../../../agent/images/qemu-info.js';
import { request } from '../../../kit/checkpoints.js';
import { privateLibvirt } from '../../../kit/libvirt.js';
import { LibvirtMachine } from '../../../kit/libvirt-machine.js';
import { kept } from '../../../kit/overlays.js';

const THEIRS = ['bitmap other', 'bitmap umbra-of-mine'];

const lostIn = (left: readonly string[]): readonly string[] => left.filter((each) => each === 'bitmap umbra-c1');

t.test('bitmaps of ours that libvirt has no checkpoint of', async (t) => {
  const daemon = await privateLibvirt(t);
  const machine = new LibvirtMachine(daemon, 'lost', ['qcow2', 'qcow2']);
  const { directory, name } = machine;
  const tracker = machine.tracker();
  const monitor = async (execute: string, args: object): Promise<unknown> =>
    await daemon.virsh('qemu-monitor-command', name, JSON.stringify({ execute, arguments: args }));
  const addBitmap = (bitmap: string): Promise<unknown> =>
    monitor('block-dirty-bitmap-add', { node: 'libvirt-2-format', name: bitmap, persistent: true });
  const inImages = async (): Promise<string[]> => {
    const infos = await Promise.all(['vda', 'vdb'].map((disk) => qemuInfo(join(directory, `${disk}.qcow2`), 'qcow2')));
    return infos.flatMap(({ bitmaps }) => bitmaps.map((bitmap) => bitmap.name));
  };
  await machine.define();
  await machine.start();
  await kept(await tracker.checkpoint(request('c1')));
  for (const bitmap of ['other', 'umbra-of-mine']) await addBitmap(bitmap);
  const ours = ['bitmap umbra-c1', 'bitmap umbra-c1', 'checkpoint umbra-c1'];
  const atRest = [...THEIRS, ...ours].sort();

  await t.test('as it was killed before it had noted it', async (t) => {
    const second = await tracker.checkpoint(request('c2', 'c1'));
    await daemon.kill();
    rmSync(join(daemon.directory, 'data', 'qemu', 'checkpoint', name, 'umbra-c2.xml'));
    await daemon.start();
    await second.close();
    t.ok((await machine.left()).includes('bitmap umbra-c2'), 'it records on');
    await tracker.recover();
    t.same(await machine.left(), atRest);
  });

  await t.test('as it was told to forget it', async (t) => {
    await daemon.virsh('checkpoint-delete', name, 'umbra-c1', '--metadata');
    await daemon.virsh('blockcopy', name, 'vdb', '--transient-job', '--dest', join(directory, 'copy.qcow2'));
    await tracker.recover();
    await t.rejects(tracker.forget(), { code: 'TRACKER_BUSY', hint: /virsh blockjob/ }, 'who lets go of it is told');
    t.same(lostIn(await machine.left()), ['bitmap umbra-c1', 'bitmap umbra-c1'], 'not while a job runs');
    await daemon.virsh('blockjob', name, 'vdb', '--abort');
    while ((await machine.left()).some((each) => each.startsWith('job')));
    await kept(await tracker.checkpoint(request('c3', 'c1')));
    t.same(await machine.left(), [...THEIRS, 'bitmap umbra-c3', 'bitmap umbra-c3', 'checkpoint umbra-c3'].sort());
  });

  await t.test('in images', async (t) => {
    await addBitmap('umbra-lost1');
    await machine.stop();
    t.ok((await inImages()).includes('umbra-lost1'));
    await kept(await tracker.checkpoint(request('off1', 'c3')));
    t.same((await inImages()).sort(), ['other', 'umbra-c3', 'umbra-c3', 'umbra-of-mine'], 'while it is off');
    await machine.start();
    await addBitmap('umbra-lost2');
    await machine.stop();
    await machine.start();
    const next = await tracker.checkpoint(request('c4', 'off1'));
    t.ok(
      next.volumes.every(({ changesKnown }) => changesKnown),
      'what is known of changes stays',
    );
    await kept(next);
    t.same(await machine.left(), [...THEIRS, 'bitmap umbra-c4', 'bitmap umbra-c4', 'checkpoint umbra-c4'].sort());
    await addBitmap('umbra-lost3');
    await machine.stop();
    await tracker.forget();
    t.same((await inImages()).sort(), ['other', 'umbra-of-mine']);
  });
});
