import t from 'tap';
import { decideFormat } from '../../../agent/images/format.js';
import { magicOf, type Magic } from '../../../agent/images/magic.js';

const QCOW2: Magic = { kind: 'image', name: 'qcow2', format: 'qcow2' };
const NOTHING = Buffer.alloc(512);

function at(offset: number, text: string): Buffer {
  const head = Buffer.alloc(1024);
  head.write(text, offset, 'latin1');
  return head;
}

function decide(path: string, magic: Magic | undefined, isDevice = false): string {
  return decideFormat({ path, isDevice, magic });
}

t.test('every magic is known', async (t) => {
  const heads: [Buffer, string][] = [
    [at(0, 'QFI\xfb\0\0\0\x03'), 'qcow2'],
    [at(0, 'QFI\xfb\0\0\0\x02'), 'qcow2'],
    [at(0, 'QFI\xfb\0\0\0\x01'), 'qcow (version 1)'],
    [at(0, 'vhdxfile'), 'vhdx'],
    [at(0, 'KDMV'), 'vmdk'],
    [at(0, 'COWD'), 'vmdk'],
    [at(0, '# Disk DescriptorFile\n'), 'vmdk'],
    [at(0x40, '\x7f\x10\xda\xbe'), 'vdi'],
    [at(0, 'conectix'), 'vpc'],
    [at(0, 'QED\0'), 'qed'],
    [at(0, 'WithoutFreeSpace'), 'parallels'],
    [at(0, '\x1f\x8b\x08'), 'gzip'],
    [at(257, 'ustar'), 'tar, OVA'],
  ];
  for (const [head, name] of heads) t.equal(magicOf(head, NOTHING)?.name, name);
  t.equal(magicOf(NOTHING, NOTHING), undefined);
  t.equal(magicOf(Buffer.alloc(0), Buffer.alloc(0)), undefined);
});

t.test('the footer of a fixed VHD is known, also without its last byte', async (t) => {
  t.equal(magicOf(NOTHING, Buffer.from('conectix'.padEnd(512)))?.name, 'vpc');
  t.equal(magicOf(NOTHING, Buffer.from(` ${'conectix'.padEnd(511)}`))?.name, 'vpc');
  t.equal(magicOf(NOTHING, Buffer.from('  conectix'.padEnd(512))), undefined);
});

t.test('a magic counts only with its extension', async (t) => {
  t.equal(decide('/a/disk.QCOW2', QCOW2), 'qcow2');
  for (const path of ['/a/disk', '/a/disk.raw', '/a/disk.img', '/a/disk.qcow2.bak', '/a/qcow2']) {
    t.throws(() => decide(path, QCOW2), { code: 'IMAGE_FORMAT', hint: /--format raw .*--format qcow2/ }, path);
  }
  t.throws(() => decide('/dev/vg/disk.qcow2', QCOW2, true), { code: 'IMAGE_FORMAT', message: /is a block device/ });
});

t.test('an extension counts only with its magic', async (t) => {
  t.throws(() => decide('disk.qcow2', undefined), {
    code: 'IMAGE_FORMAT',
    message: /has no qcow2 header/,
    hint: /--format raw/,
  });
  t.throws(() => decide('disk.vmdk', QCOW2), { code: 'IMAGE_FORMAT', message: /holds a qcow2 image/ });
  t.throws(() => decide('disk.qed', { kind: 'foreign', name: 'qed' }), { code: 'IMAGE_FORMAT', hint: /convert/ });
});

t.test('archives are refused where the name says so too, else are content', async (t) => {
  const gzip: Magic = { kind: 'packed', name: 'gzip' };
  t.throws(() => decide('disk.raw.gz', gzip), { code: 'IMAGE_FORMAT', message: /packed \(gzip\)/ });
  t.throws(() => decide('disk.qcow2', gzip), { code: 'IMAGE_FORMAT', message: /packed \(gzip\)/ });
  t.equal(decide('disk.raw', gzip), 'raw');
  t.equal(decide('disk.gz', undefined), 'raw');
  t.throws(() => decide('disk.img', { kind: 'foreign', name: 'qed' }), { code: 'IMAGE_FORMAT', hint: /--format raw/ });
});

t.test('everything else is raw', async (t) => {
  for (const path of ['disk', 'disk.raw', 'disk.img', 'disk.iso', 'disk.bin', 'a.b/disk']) {
    t.equal(decide(path, undefined), 'raw');
  }
  t.equal(decide('/dev/sda', undefined, true), 'raw');
});
